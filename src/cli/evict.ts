/** `evict`: removes the files of images; shows what it would do unless told to do it. */
import { escape } from '../config/problem.ts';
import { counted, roughSize } from '../config/units.ts';
import type { KeptLabel } from '../operations/evict.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { nameOf } from './pin.ts';
import { warn, withMirror, writeJson } from './with-mirror.ts';

export async function evict(options: OptionValues, io: CommandIo, selectors: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const dryRun = !options.has('yes') || options.has('dry-run');
    const result = await mirror.run('evict', { selectors, dryRun });
    if (options.has('json')) {
      writeJson(io.stdout, result);
      return EXIT.done;
    }
    warn(io, result.warnings);
    const lines = [
      ...result.evicted.map(
        (image) => `${dryRun ? 'would evict' : 'evicted'} ${nameOf(image)} (${roughSize(image.bytes)})`,
      ),
      ...result.kept.map((image) => `kept ${nameOf(image)}: ${reasonOf(image)}`),
    ];
    const { notCached, evicted } = result;
    const others = lines.length === 0 ? counted(notCached, 'image') : `${notCached} more`;
    if (notCached > 0) lines.push(`nothing is stored of ${others}`);
    const sum = `${roughSize(result.bytes)} of ${counted(evicted.length, 'image')}`;
    if (evicted.length === 0) lines.push('nothing to evict');
    else lines.push(dryRun ? `this would free ${sum}; to do it, add --yes` : `freed ${sum}`);
    io.stdout.write(lines.map((line) => `${escape(line)}\n`).join(''));
    return EXIT.done;
  });
}

function reasonOf({ reason, because }: KeptLabel): string {
  return because === null ? reason : `${reason} (${because})`;
}
