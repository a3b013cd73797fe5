/** A merged catalog of 5,000 images: the whole list and single manifests, 20 requests in flight. */
import { manifestText, parseManifest } from '../src/imgapi/manifest.ts';
import { WrongBytesError, type BenchContext } from './support/bench.ts';
import type { Connection } from './support/connection.ts';
import { median, percentile, type Figure } from './support/figures.ts';
import { load, type LoadResult } from './support/load.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { cpuSecondsOf } from './support/process-stats.ts';
import { startUpstream } from './support/upstream.ts';

const IMAGES_EACH = 2500;
const IN_FLIGHT = 20;
const WARM_UP_SECONDS = 1;
const SECONDS = 5;

export async function lists({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  await using first = await startUpstream({ catalog: { seed: 'first', count: IMAGES_EACH, oddities: true } }, signal);
  // Without oddities: some of them have the same uuids under any seed, and 5,000 are to be 5,000.
  await using second = await startUpstream(
    { catalog: { seed: 'second', count: IMAGES_EACH, oddities: false } },
    signal,
  );
  await using mirror = await startMirror({ dir, upstreamUrls: [first.url, second.url] }, signal);
  const list = await untilListed(mirror.port, 2 * IMAGES_EACH, signal);
  const manifests = manifestsOf(list);

  async function measure(
    what: string,
    request: (connection: Connection, turn: number) => Promise<void>,
  ): Promise<LoadResult & { readonly cpuMs: number }> {
    const options = { port: mirror.port, connections: IN_FLIGHT, signal, request };
    await load({ ...options, seconds: WARM_UP_SECONDS });
    const cpuBefore = await cpuSecondsOf(mirror.pid);
    const result = await load({ ...options, seconds: SECONDS });
    const cpuSeconds = (await cpuSecondsOf(mirror.pid)) - cpuBefore;
    progress(`${result.latenciesMs.length} ${what}`);
    return { ...result, cpuMs: (cpuSeconds * 1000) / result.latenciesMs.length };
  }

  const ofList = await measure('lists', async (connection) => getSame(connection, '/images', list));
  const ofManifest = await measure('manifests', async (connection, turn) => {
    const [uuid, text] = manifests[turn % manifests.length] ?? ['', Buffer.alloc(0)];
    await getSame(connection, `/images/${uuid}`, text);
  });
  return [
    ...figuresOf(`/images (${(list.length / 1e6).toFixed(1)} MB)`, ofList, 100),
    ...figuresOf('/images/:uuid', ofManifest, 10),
  ];
}

/** Every byte is compared with what is expected; comparing costs next to nothing. */
async function getSame(connection: Connection, path: string, expected: Buffer): Promise<void> {
  const { status, bodyBytes } = await connection.get(path, (piece, offset) => {
    if (expected.compare(piece, 0, piece.length, offset, offset + piece.length) !== 0) {
      throw new WrongBytesError(`${path} differs from what it was, after byte ${offset}`);
    }
  });
  if (status !== 200) throw new Error(`${path} was answered with ${status}`);
  if (bodyBytes !== expected.length)
    throw new WrongBytesError(`${path} has ${bodyBytes} bytes, ${expected.length} were due`);
}

/** Each image's uuid and the body its own request must answer with: the list's entry, indented as the real server does. */
function manifestsOf(list: Buffer): [uuid: string, text: Buffer][] {
  const entries: unknown = JSON.parse(list.toString());
  if (!Array.isArray(entries)) throw new WrongBytesError('/images is no list');
  return entries.map((entry: unknown) => {
    const parsed = parseManifest(entry);
    if (!parsed.ok) throw new WrongBytesError(`/images holds an entry of which ${parsed.problem}`);
    return [parsed.manifest.uuid, Buffer.from(manifestText(parsed.manifest, 2))];
  });
}

function figuresOf(
  name: string,
  { latenciesMs, requestsPerSecond, cpuMs }: LoadResult & { cpuMs: number },
  p99BoundMs: number,
): Figure[] {
  return [
    {
      name: `${name} p99, ${IN_FLIGHT} in flight`,
      value: percentile(latenciesMs, 0.99),
      unit: 'ms',
      decimals: 1,
      bound: { below: p99BoundMs },
    },
    { name: `${name} median`, value: median(latenciesMs), unit: 'ms', decimals: 1 },
    { name: `${name} rate`, value: requestsPerSecond, unit: 'req/s' },
    { name: `${name} CPU of the mirror`, value: cpuMs, unit: 'ms/req', decimals: 3 },
  ];
}
