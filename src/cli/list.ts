/** `list`: the images that are known. */
import { roughSize } from '../config/units.ts';
import { LIST_ORDERS, SORT_PATTERN } from '../operations/list-order.ts';
import type { ListedImage } from '../operations/list.ts';
import { VERBS } from '../operations/verbs.ts';
import { usageError } from './bundle-values.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { tableLines, type Column } from './table.ts';
import { warn, withMirror, writeJson } from './with-mirror.ts';

const MAX_LIMIT = VERBS.list.fields.limit.max;

const COLUMNS: readonly Column<ListedImage>[] = [
  { title: 'UUID', of: ({ uuid }) => uuid },
  { title: 'NAME', of: ({ name }) => name, isCut: true },
  { title: 'VERSION', of: ({ version }) => version, isCut: true },
  { title: 'OS', of: ({ os }) => os, isCut: true },
  { title: 'TYPE', of: ({ type }) => type, isCut: true },
  { title: 'PUB', of: ({ publishedAt }) => publishedAt.slice(0, 10) },
  { title: 'SIZE', of: ({ size }) => roughSize(size), isRight: true },
  { title: 'STATE', of: stateOf },
];

export async function list(options: OptionValues, io: CommandIo, positionals: readonly string[]): Promise<number> {
  const sort = options.text('sort');
  if (sort !== undefined && !SORT_PATTERN.test(sort)) {
    return usageError(
      io,
      `--sort: found ${JSON.stringify(sort)}; ${LIST_ORDERS.join(', ')} would do, or one of them after a -`,
    );
  }
  const limitText = options.text('limit');
  const limit = limitText === undefined ? undefined : /^\d+$/.test(limitText) ? Number(limitText) : Number.NaN;
  if (limit !== undefined && !(limit >= 1 && limit <= MAX_LIMIT)) {
    return usageError(
      io,
      `--limit: found ${JSON.stringify(limitText)}; a whole number from 1 to ${MAX_LIMIT} would do`,
    );
  }
  return withMirror(options, io, async (mirror) => {
    // Every selector has to hold `cached` too: they are ORed with one another.
    const wanted = positionals.length === 0 && options.has('cached') ? ['cached'] : positionals;
    const selectors = options.has('cached') ? wanted.map((selector) => `${selector} cached`) : wanted;
    const wantedOrder = sort === undefined ? {} : { sort };
    const result = await mirror.run('list', { selectors, ...wantedOrder, ...(limit === undefined ? {} : { limit }) });
    if (options.has('json')) {
      for (const image of result.images) writeJson(io.stdout, image);
      writeJson(io.stdout, { total: result.total, warnings: result.warnings });
      return EXIT.done;
    }
    warn(io, result.warnings);
    const { images, total } = result;
    if (images.length > 0) io.stdout.write(`${tableLines(COLUMNS, images, io.stdout).join('\n')}\n`);
    if (images.length < total) io.stderr.write(`${images.length} of ${total} images\n`);
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
