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
      const line = `${dryRun ? 'would accept' : 'accepted'} ${uuid}: ${factsOf(to)} says, in place of ${factsOf(from)} said first`;
      io.stdout.write(`${escape(line)}\n`);
    }
    return EXIT.done;
  });
}

/** Ends with who it was that said so. */
function factsOf({ sha1, size, upstream }: FileFacts): string {
  const file = sha1 === null ? 'no file' : `${sha1}${size === null ? '' : `, ${sizeText(size)}`}`;
  return `${file}, as ${upstream}`;
}
