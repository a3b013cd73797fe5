/** nginx with sendfile, where it is installed: the yardstick for a stored file. Not required. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openConnection } from './connection.ts';

export interface BenchNginx {
  readonly port: number;
  readonly pid: number;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_MS = 5_000;

/** Serves the files below `root` at `/images/:uuid/file` as `root/:uuid`, by one process. Undefined if there is no nginx. */
export async function startNginx(
  options: { readonly dir: string; readonly root: string; readonly port: number },
  signal: AbortSignal,
): Promise<BenchNginx | undefined> {
  const { dir, root, port } = options;
  await mkdir(dir, { recursive: true });
  const file = path.join(dir, 'nginx.conf');
  await writeFile(file, configText(dir, root, port));
  // One process in the foreground: its pid is the one that is measured, and killed.
  const child = spawn('nginx', ['-p', dir, '-c', file, '-e', path.join(dir, 'error.log')], { stdio: 'ignore' });
  const spawned = once(child, 'spawn');
  try {
    await spawned;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const { pid } = child;
  if (pid === undefined) throw new Error('nginx has no pid');
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    while (!(await isUp(port, deadline))) {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}; see ${dir}/error.log`);
      await sleep(20, undefined, { signal: deadline });
    }
    return { port, pid, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function isUp(port: number, signal: AbortSignal): Promise<boolean> {
  try {
    const connection = await openConnection({ port, signal });
    connection.close();
    return true;
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  }
}

function configText(dir: string, root: string, port: number): string {
  return `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
events {}
http {
  access_log off;
  sendfile on;
  client_body_temp_path ${dir};
  proxy_temp_path ${dir};
  fastcgi_temp_path ${dir};
  uwsgi_temp_path ${dir};
  scgi_temp_path ${dir};
  server {
    listen 127.0.0.1:${port};
    location ~ ^/images/([0-9a-f-]+)/file$ {
      alias ${root}/$1;
    }
  }
}
`;
}
