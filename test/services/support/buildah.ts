/** Container images without a daemon: Debian's buildah, with a store of its own that goes with the test. */
import { join } from 'node:path';
import { runCommand } from './run-command.ts';
import type { RunOptions } from './run-command.ts';

export interface Buildah {
  /** Runs `buildah ARGS` on this store; gives its standard output. */
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  /** What to spawn for `buildah ARGS`, for whoever wants to hold the process. */
  command(args: readonly string[]): readonly [string, ...string[]];
}

/** `dir` holds the store; a copy of the file system per image, so some hundred megabytes. */
export function createBuildah(dir: string): Buildah {
  // vfs and chroot: overlays and namespaces are not to be had inside another container. A subcommand takes the isolation
  // only if it runs something, hence the variable.
  const global = ['--root', join(dir, 'store'), '--runroot', join(dir, 'run'), '--storage-driver', 'vfs'];
  const command: Buildah['command'] = (args) => ['env', 'BUILDAH_ISOLATION=chroot', 'buildah', ...global, ...args];
  return {
    run: (args, options) => {
      const [program, ...rest] = command(args);
      return runCommand(program, rest, options);
    },
    command,
  };
}
