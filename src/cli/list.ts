/** `list`: the images that are known. */
import { roughSize } from '../config/units.ts';
import type { ListedImage } from '../operations/list.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { tableLines, type Column } from './table.ts';
import { warn, withMirror, writeJson } from './with-mirror.ts';

const COLUMNS: readonly Column<ListedImage>[] = [
  { title: 'UUID', of: ({ uuid }) => uuid },
  { title: 'NAME', of: ({ name }) => name },
  { title: 'VERSION', of: ({ version }) => version },
  { title: 'OS', of: ({ os }) => os },
  { title: 'TYPE', of: ({ type }) => type },
  { title: 'PUB', of: ({ publishedAt }) => publishedAt.slice(0, 10) },
  { title: 'SIZE', of: ({ size }) => roughSize(size), isRight: true },
  { title: 'STATE', of: stateOf },
];

export async function list(options: OptionValues, io: CommandIo, positionals: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    // Every selector has to hold `cached` too: they are ORed with one another.
    const wanted = positionals.length === 0 && options.has('cached') ? ['cached'] : positionals;
    const selectors = options.has('cached') ? wanted.map((selector) => `${selector} cached`) : wanted;
    const result = await mirror.run('list', { selectors });
    if (options.has('json')) {
      for (const image of result.images) writeJson(io.stdout, image);
      writeJson(io.stdout, { total: result.total, warnings: result.warnings });
      return EXIT.done;
    }
    warn(io, result.warnings);
    if (result.images.length > 0) io.stdout.write(`${tableLines(COLUMNS, result.images).join('\n')}\n`);
    return EXIT.done;
  });
}

/** How it stands here, in words. */
function stateOf({ cached, pinned, conflict, listed }: ListedImage): string {
  const words = [
    cached ? 'cached' : '',
    pinned ? 'pinned' : '',
    conflict ? 'conflict' : '',
    listed ? '' : 'unlisted',
  ].filter((word) => word !== '');
  return words.length === 0 ? '-' : words.join(',');
}
