/** `show`: all that is known of one image. */
import { escape } from '../config/problem.ts';
import { roughSize } from '../config/units.ts';
import type { ShownImage } from '../operations/show.ts';
import type { TrustConflict } from '../trust/conflict.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { withMirror, writeJson } from './with-mirror.ts';

export async function show(options: OptionValues, io: CommandIo, [uuid = '']: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const image = await mirror.run('show', { uuid });
    if (options.has('json')) writeJson(io.stdout, image);
    else io.stdout.write(`${linesOf(image).join('\n')}\n`);
    return EXIT.done;
  });
}

function linesOf(image: ShownImage): readonly string[] {
  const rows: [string, string][] = [
    ['uuid', image.uuid],
    ['name', image.name],
    ['version', image.version],
    ['os', image.os],
    ['type', image.type],
    ['published', image.publishedAt],
    ['listed', yesNo(image.listed)],
    ['cached', yesNo(image.cached)],
    ['pinned', yesNo(image.pinned)],
    ['conflict', image.conflict ? `yes; to take what the upstream says now: accept ${image.uuid}` : 'no'],
    ...(image.contradiction === null ? [] : saidOf(image.contradiction)),
    ['upstreams', image.upstreams.join(', ')],
    ...image.origins.map(({ uuid, name, version, known, cached }): [string, string] => [
      'origin',
      `${uuid} ${known ? `${name} ${version} (${cached ? 'cached' : 'not cached'})` : '(not known here)'}`,
    ]),
    ...image.files.map(({ sha1, size, stored, received, lastUsedAt }): [string, string] => {
      const state = stored
        ? 'stored'
        : received === null
          ? 'not stored'
          : `being fetched, ${roughSize(received)} so far`;
      const used = lastUsedAt === null ? '' : `, last used ${lastUsedAt}`;
      return ['file', `${sha1} ${roughSize(size)} (${state}${used})`];
    }),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${escape(value)}`);
}

/** Both sides of a conflict: what is served, and what would be. */
function saidOf({ remembered, contradictedBy }: TrustConflict): [string, string][] {
  return [
    ['remembered', sideOf(remembered, remembered.firstSeenAt)],
    ...contradictedBy.map((side): [string, string] => ['contradicted', sideOf(side, side.since)]),
  ];
}

function sideOf({ upstream, files }: Pick<TrustConflict['remembered'], 'upstream' | 'files'>, since: string): string {
  const said = files.map(({ sha1, size }) => `${sha1} ${size === undefined ? '' : `${size} bytes `}`).join('and ');
  return `${said === '' ? 'no file ' : said}(${upstream}, since ${since})`;
}

function yesNo(fact: boolean): string {
  return fact ? 'yes' : 'no';
}
