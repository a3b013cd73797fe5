/** Bandwidth: what 1, 4 and 16 transfers of a limited upstream take together in 10 s, and how alike their shares are. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from './support/bench.ts';
import { openConnection, type Connection } from './support/connection.ts';
import type { Figure } from './support/figures.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { startUpstream } from './support/upstream.ts';

const TRANSFERS = [1, 4, 16];
const LIMIT_MIB = 8;
const LIMIT_BYTES_PER_SECOND = LIMIT_MIB * 2 ** 20;
const MEASURED_MS = 10_000;
/** No file may end while it is measured. */
const FILE_SECONDS = 20;

export async function bandwidth(context: BenchContext): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const count of TRANSFERS) figures.push(...(await measure(context, count)));
  return figures;
}

async function measure({ dir, signal, progress }: BenchContext, count: number): Promise<Figure[]> {
  const bytes = Math.ceil((LIMIT_BYTES_PER_SECOND * FILE_SECONDS) / count);
  const files = Array.from({ length: count }, (_, index) => ({ name: `limited-${index}`, bytes }));
  await using upstream = await startUpstream({ files }, signal);
  const upstreams = [{ name: 'limited', url: upstream.url, bandwidth: { limit: `${LIMIT_MIB}MiB` } }];
  // YAML takes JSON.
  const env = { IMGAPI_MIRROR_UPSTREAMS: JSON.stringify(upstreams) };
  await using mirror = await startMirror({ dir: `${dir}/${count}`, upstreamUrls: [], env }, signal);
  await untilListed(mirror.port, count, signal);

  const { port } = mirror;
  const received = upstream.images.map(() => 0);
  const connections = await Promise.all(upstream.images.map(async () => openConnection({ port, signal })));
  const look = await openConnection({ port, signal });
  try {
    for (const [index, connection] of connections.entries()) {
      const image = upstream.images[index];
      connection
        .get(`/images/${image?.uuid}/file`, (piece) => void (received[index] = (received[index] ?? 0) + piece.length))
        // Ended by us, below.
        .catch(() => {});
    }
    while (received.includes(0)) await sleep(5, undefined, { signal });
    const [before, bytesBefore, startedAtMs] = [[...received], await bytesFrom(look), performance.now()];
    await sleep(MEASURED_MS, undefined, { signal });
    const [after, bytesAfter, seconds] = [
      [...received],
      await bytesFrom(look),
      (performance.now() - startedAtMs) / 1000,
    ];
    const due = LIMIT_BYTES_PER_SECOND * seconds;
    const shares = after.map((to, index) => to - (before[index] ?? 0));
    progress(`${count} transfers: ${((bytesAfter - bytesBefore) / seconds / 2 ** 20).toFixed(3)} MiB/s`);
    return [
      {
        name: `${count} transfers: off the limit of ${LIMIT_MIB} MiB/s`,
        value: (Math.abs(bytesAfter - bytesBefore - due) / due) * 100,
        unit: '%',
        decimals: 2,
        bound: { atMost: 5 },
      },
      ...(count === 1
        ? []
        : [
            {
              name: `${count} transfers: largest share against the smallest`,
              value: Math.max(...shares) / Math.min(...shares),
              unit: 'x',
              decimals: 3,
            },
          ]),
    ];
  } finally {
    for (const connection of [look, ...connections]) connection.close();
  }
}

/** File bytes the mirror has taken from its upstream. */
async function bytesFrom(connection: Connection): Promise<number> {
  const pieces: Buffer[] = [];
  await connection.get('/metrics', (piece) => void pieces.push(Buffer.from(piece)));
  const series = 'imgapi_mirror_upstream_response_bytes_total{upstream="limited",kind="file"';
  const line = Buffer.concat(pieces)
    .toString()
    .split('\n')
    .find((candidate) => candidate.startsWith(series));
  if (line === undefined) throw new Error(`no series ${series}`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}
