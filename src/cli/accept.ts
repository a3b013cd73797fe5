/** `accept`: settles a trust conflict in favour of what the upstream says now. */
import { escape } from '../config/problem.ts';
import type { FileFacts } from '../trust/conflict.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { sizeText } from './size-text.ts';
import { withMirror, writeJson } from './with-mirror.ts';

export async function accept(options: OptionValues, io: CommandIo, selectors: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const dryRun = options.has('dry-run');
    const result = await mirror.run('accept', { selectors, dryRun });
    if (options.has('json')) {
      writeJson(io.stdout, result);
      return EXIT.done;
    }
    for (const { uuid, from, to } of result.accepted) {
      const line = `${dryRun ? 'would accept' : 'accepted'} ${uuid}: ${factsOf(to)} in place of ${factsOf(from)}`;
      io.stdout.write(`${escape(line)}\n`);
    }
    return EXIT.done;
  });
}

function factsOf({ sha1, size, upstream }: FileFacts): string {
  return sha1 === null
    ? `no file, as ${upstream} says`
    : `${sha1}${size === null ? '' : `, ${sizeText(size)}`}, as ${upstream} says`;
}
