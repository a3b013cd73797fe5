/** The operator's page over a catalog of 5,000 images, searched, sorted, and turned to a page in the middle. */
import type { BenchContext } from './support/bench.ts';
import { WrongBytesError } from './support/bench.ts';
import { nowMs } from './support/clock.ts';
import { openConnection, type Connection } from './support/connection.ts';
import { median, percentile, type Figure } from './support/figures.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { startUpstream } from './support/upstream.ts';

const IMAGES = 5_000;
const ROWS = 100;
/** Those that take most: texts are compared, and by `used` the records are asked. */
const SORTS = ['name', '-version', '-size', '-used', '-published'] as const;
/** Every image fits it, so that all have to be looked at and sorted. */
const SELECTOR = 'name=image-*';
const WARM_UP = 3;
const VIEWS_EACH = 20;
const BOUND_MS = 50;

export async function page({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  await using upstream = await startUpstream({ catalog: { seed: 'page', count: IMAGES, oddities: false } }, signal);
  await using mirror = await startMirror({ dir, upstreamUrls: [upstream.url] }, signal);
  await untilListed(mirror.port, IMAGES, signal);
  const connection = await openConnection({ port: mirror.port, signal });
  try {
    // Some are stored, so that there is something to be said of them.
    for (const { uuid } of upstream.images.slice(0, ROWS)) await connection.get(`/images/${uuid}/file`);
    const bySort = new Map<string, readonly number[]>();
    for (const sort of SORTS) {
      const path = `/_mirror/?${String(new URLSearchParams({ selector: SELECTOR, sort, per: String(ROWS), page: '3' }))}`;
      await viewTimes(connection, path, WARM_UP);
      bySort.set(sort, await viewTimes(connection, path, VIEWS_EACH));
      progress(`sorted by ${sort}`);
    }
    const times = [...bySort.values()].flat();
    const searched = `a page of ${IMAGES} images, searched and sorted`;
    return [
      { ...inMs(`${searched}: median`, median(times)), bound: { below: BOUND_MS } },
      inMs(`${searched}: p90`, percentile(times, 0.9)),
      inMs(`${searched}: p99`, percentile(times, 0.99)),
      ...SORTS.map((sort) => inMs(`sorted by ${sort}: median`, median(bySort.get(sort) ?? []))),
    ];
  } finally {
    connection.close();
  }
}

function inMs(name: string, value: number): Figure {
  return { name, value, unit: 'ms', decimals: 1 };
}

async function viewTimes(connection: Connection, path: string, times: number): Promise<number[]> {
  const measured: number[] = [];
  for (let at = 0; at < times; at++) {
    const pieces: Buffer[] = [];
    const startedAtMs = nowMs();
    const { status } = await connection.get(path, (piece) => void pieces.push(Buffer.from(piece)));
    measured.push(nowMs() - startedAtMs);
    if (status !== 200) throw new Error(`${path} was answered with ${status}`);
    const rows = Buffer.concat(pieces).toString().split('<th scope="row"').length - 1;
    if (rows < ROWS) throw new WrongBytesError(`${path} has ${rows} rows`);
  }
  return measured;
}
