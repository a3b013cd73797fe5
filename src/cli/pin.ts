/** `pin` and `unpin`: what eviction never takes. */
import { escape } from '../config/problem.ts';
import type { ImageLabel } from '../operations/image-label.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { warn, withMirror, writeJson } from './with-mirror.ts';

export async function pin(options: OptionValues, io: CommandIo, selectors: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const result = await mirror.run('pin', { selectors, dryRun: options.has('dry-run') });
    if (options.has('json')) {
      writeJson(io.stdout, result);
      return EXIT.done;
    }
    warn(io, result.warnings);
    const word = result.dryRun ? 'would pin' : 'pinned';
    const lines = [
      ...result.pinned.map((image) => `${word} ${nameOf(image)}`),
      ...result.already.map((image) => `pinned already ${nameOf(image)}`),
      ...result.origins.map((image) => `held with them ${nameOf(image)}`),
    ];
    io.stdout.write(lines.map((line) => `${escape(line)}\n`).join(''));
    return EXIT.done;
  });
}

export async function unpin(options: OptionValues, io: CommandIo, selectors: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const result = await mirror.run('unpin', { selectors, dryRun: options.has('dry-run') });
    if (options.has('json')) {
      writeJson(io.stdout, result);
      return EXIT.done;
    }
    warn(io, result.warnings);
    const word = result.dryRun ? 'would unpin' : 'unpinned';
    const lines = [
      ...result.unpinned.map((image) => `${word} ${nameOf(image)}`),
      ...result.notPinned.map((image) => `not pinned ${nameOf(image)}`),
      ...result.stillHeld.map((image) => {
        const why = image.reason === 'config' ? 'by the configuration' : `as ${image.because} rests on it`;
        return `still held ${nameOf(image)}, ${why}`;
      }),
    ];
    io.stdout.write(lines.map((line) => `${escape(line)}\n`).join(''));
    return EXIT.done;
  });
}

/** An image in a line. */
export function nameOf({ uuid, name, version }: ImageLabel): string {
  return [uuid, name, version].filter((part) => part !== '').join(' ');
}
