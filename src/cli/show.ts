/** `show`: all that is known of one image. */
import { escape } from '../config/problem.ts';
import { roughSize } from '../config/units.ts';
import { textOf } from '../imgapi/image-filter.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import type { ShownFile, ShownImage } from '../operations/show.ts';
import type { TrustConflict } from '../trust/conflict.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { nameOf } from './pin.ts';
import { sizeText } from './size-text.ts';
import { withMirror, writeJson } from './with-mirror.ts';

export async function show(options: OptionValues, io: CommandIo, [uuid = '']: readonly string[]): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const image = await mirror.run('show', { uuid });
    if (options.has('json')) writeJson(io.stdout, image);
    else io.stdout.write(`${linesOf(image).join('\n')}\n`);
    return EXIT.done;
  });
}

type Row = readonly [key: string, value: string];

/** Images that rest on it and are named; of a base there are hundreds. */
const MAX_CHILDREN = 10;

function linesOf(image: ShownImage): readonly string[] {
  const rows: readonly Row[] = [
    ['uuid', image.uuid],
    ['name', image.name],
    ['version', image.version],
    ...aboutRows(image.manifest),
    ['published', image.publishedAt],
    ['size', sizeText(image.size)],
    ['listed', image.listed ? 'yes' : 'no; served by uuid'],
    ['cached', yesNo(image.cached)],
    ['pinned', yesNo(image.pinned)],
    ['last used', image.lastUsedAt ?? '-'],
    ['conflict', image.conflict ? `yes; to take what the upstream says now: accept ${image.uuid}` : 'no'],
    ...(image.contradiction === null ? [] : saidRows(image.contradiction)),
    ['upstreams', image.upstreams.length > 0 ? image.upstreams.join(', ') : 'none has it as it is remembered'],
    ...image.origins.map((origin): Row => [
      'origin',
      origin.known ? imageText(origin) : `${origin.uuid} (not known here)`,
    ]),
    ...childRows(image.children),
    ...image.files.map((file): Row => ['file', fileText(file)]),
  ];
  const shown = rows.filter(([, value]) => value !== '');
  const width = Math.max(...shown.map(([key]) => key.length));
  return shown.map(([key, value]) => `${key.padEnd(width)}  ${escape(value)}`);
}

/** What its manifest says, as far as it says it; nothing in a manifest can be relied on to be of any type. */
function aboutRows(manifest: ManifestJson): readonly Row[] {
  const { channels } = manifest;
  return [
    ['about', (textOf(manifest['description']) ?? '').replaceAll(/\s+/g, ' ').trim()],
    ['homepage', textOf(manifest['homepage']) ?? ''],
    ['owner', textOf(manifest['owner']) ?? ''],
    ['os', textOf(manifest['os']) ?? ''],
    ['type', textOf(manifest['type']) ?? ''],
    ['state', textOf(manifest['state']) ?? ''],
    ['channels', Array.isArray(channels) ? channels.map(valueText).join(', ') : ''],
    ['tags', pairsText(manifest['tags'])],
    ['needs', pairsText(manifest['requirements'])],
    ['icon', manifest['icon'] === true ? 'yes' : ''],
  ];
}

/** `role=os, docker:id="x y"`, of an object. */
function pairsText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(value)
    .map(([key, one]) => `${key}=${valueText(one)}`)
    .join(', ');
}

function valueText(value: unknown): string {
  const text = textOf(value);
  return text === undefined || /[\s,="]/.test(text) ? JSON.stringify(value) : text;
}

function childRows(children: ShownImage['children']): readonly Row[] {
  const named = children.slice(0, MAX_CHILDREN).map((child): Row => ['rests on it', imageText(child)]);
  const more = children.length - named.length;
  return more === 0 ? named : [...named, ['', `and ${more} more: all with --json`]];
}

function imageText(image: ShownImage['children'][number]): string {
  return `${nameOf(image)} (${image.cached ? 'cached' : 'not cached'})`;
}

function fileText({ sha1, size, stored, received, lastUsedAt }: ShownFile): string {
  const missing = received === null ? 'not stored' : `being fetched, ${roughSize(received)} so far`;
  const used = lastUsedAt === null ? '' : `, last used ${lastUsedAt}`;
  return `${sha1}, ${sizeText(size)}, ${stored ? 'stored' : missing}${used}`;
}

/** Both sides of a conflict: what is served, and what would be. */
function saidRows({ remembered, contradictedBy }: TrustConflict): readonly Row[] {
  return [
    ['remembered', `${sideText(remembered)}, as ${remembered.upstream} said first, ${remembered.firstSeenAt}`],
    ...contradictedBy.map((side): Row => [
      'contradicted',
      `${sideText(side)}, as ${side.upstream} says since ${side.since}`,
    ]),
  ];
}

function sideText({ files }: Pick<TrustConflict['remembered'], 'files'>): string {
  const said = files.map(({ sha1, size }) => `${sha1}, ${sizeText(size)}`).join(' and ');
  return said === '' ? 'no file' : said;
}

function yesNo(fact: boolean): string {
  return fact ? 'yes' : 'no';
}
