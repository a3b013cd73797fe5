/** `refresh`: the upstreams' lists, now. */
import { PRODUCT } from '../config/product.ts';
import { counted, roughTime } from '../config/units.ts';
import type { RefreshResult } from '../operations/refresh.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { tableLines, type Column } from './table.ts';
import { withMirror, writeJson } from './with-mirror.ts';

type Row = RefreshResult['upstreams'][number];

export async function refresh(options: OptionValues, io: CommandIo): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const result = await mirror.run('refresh', { accept: options.has('accept') });
    const isWell = result.upstreams.every(({ problem }) => problem === null);
    if (options.has('json')) {
      writeJson(io.stdout, result);
    } else {
      const now = Date.now();
      const columns: readonly Column<Row>[] = [
        { title: 'UPSTREAM', of: ({ name }) => name },
        { title: 'IMAGES', of: ({ images }) => String(images), isRight: true },
        { title: 'CONFIRMED', of: ({ confirmedAt }) => agoOf(confirmedAt, now) },
        { title: 'PROBLEM', of: ({ problem }) => problem ?? '-' },
      ];
      io.stdout.write(
        `${tableLines(columns, result.upstreams).join('\n')}\n${counted(result.images, 'image')} in all\n`,
      );
      if (result.upstreams.some(({ held }) => held))
        io.stdout.write(`to take what is held back as it is: ${PRODUCT.name} refresh --accept\n`);
      if (result.conflicts > 0)
        io.stdout.write(
          `${counted(result.conflicts, 'image')} in conflict, what was first seen stays in force: ${PRODUCT.name} list conflict\n`,
        );
    }
    return isWell ? EXIT.done : EXIT.failed;
  });
}

function agoOf(at: string | null, now: number): string {
  if (at === null) return 'never';
  const seconds = Math.round((now - Date.parse(at)) / 1000);
  return seconds <= 0 ? 'just now' : `${roughTime(seconds * 1000)} ago`;
}
