/** `status`: what the mirror is, has and does; once, or again and again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { escape } from '../config/problem.ts';
import { counted, roughSize, roughTime } from '../config/units.ts';
import { upstreamState, type UpstreamState } from '../operations/condition.ts';
import type { RunningDownload } from '../operations/downloads.ts';
import type { StatusResult, UpstreamStatus } from '../operations/status.ts';
import { barLine } from './bars.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { tableLines, type Column } from './table.ts';
import { withMirror, writeJson, type MirrorHandle } from './with-mirror.ts';

const WATCH_EVERY_MS = 1_000;
const CLEAR = '\u001B[H\u001B[J';

export async function status(options: OptionValues, io: CommandIo): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const isWatching = options.has('watch');
    let before: { readonly status: StatusResult; readonly atMs: number } | undefined;
    for (;;) {
      const now = await look(mirror, isWatching);
      if (now === undefined) return EXIT.done;
      const atMs = performance.now();
      if (options.has('json')) writeJson(io.stdout, now);
      else {
        const rate = before === undefined ? undefined : ratesOf(before.status, now, atMs - before.atMs);
        const text = `${linesOf(now, mirror.url, rate).join('\n')}\n`;
        io.stdout.write(isWatching && io.stdout.isTerminal ? `${CLEAR}${text}` : text);
      }
      before = { status: now, atMs };
      if (!isWatching) return EXIT.done;
      // Ctrl-C is how a watch ends.
      const isOver = await sleep(WATCH_EVERY_MS, false, { signal: mirror.signal }).catch(() => true);
      if (isOver) return EXIT.done;
    }
  });
}

/** Undefined where Ctrl-C, which is how a watch ends, came during the look. */
async function look(mirror: MirrorHandle, isWatching: boolean): Promise<StatusResult | undefined> {
  try {
    return await mirror.run('status', {});
  } catch (error) {
    if (isWatching && mirror.signal.aborted) return undefined;
    throw error;
  }
}

/** Bytes per second between two looks. */
interface Rates {
  readonly lan: number;
  readonly wan: number;
}

function ratesOf(before: StatusResult, now: StatusResult, ms: number): Rates {
  const perSecond = (a: number, b: number): number => Math.max(0, ((b - a) / Math.max(1, ms)) * 1000);
  return {
    lan: perSecond(before.traffic.lanBytes, now.traffic.lanBytes),
    wan: perSecond(before.traffic.wanBytes, now.traffic.wanBytes),
  };
}

const upstreamColumns = (isOffline: boolean): readonly Column<UpstreamStatus>[] => [
  { title: 'UPSTREAM', of: ({ name }) => name },
  { title: 'STATE', of: (upstream) => stateText(upstream, isOffline) },
  { title: 'IMAGES', of: ({ images }) => String(images), isRight: true },
  { title: 'LIST AGE', of: ({ listAgeSeconds }) => ageOf(listAgeSeconds), isRight: true },
  { title: 'PROBLEM', of: ({ problem }) => problem ?? '-' },
];

type Row = readonly [title: string, text: string];

function linesOf(found: StatusResult, url: string | undefined, rates: Rates | undefined): readonly string[] {
  const isRunning = url !== undefined;
  const where = isRunning ? url : 'not running (this is what the directory holds)';
  const { storage, traffic, catalog } = found;
  const limit = storage.maxBytes === null ? 'no limit of its own' : `${roughSize(storage.maxBytes)} at most`;
  const rows: readonly Row[] = [
    ['mirror', `${where}, version ${found.version}${found.offline ? ', offline' : ''}`],
    ...(isRunning ? [['started', found.startedAt] satisfies Row] : []),
    ...(isRunning ? readinessRows(found.readiness) : []),
    [
      'images',
      `${catalog.images} listed, ${counted(storage.blobs, 'file')} stored, ${storage.pinned} pinned, ${catalog.conflicts} in conflict`,
    ],
    ...(isRunning ? trafficRows(traffic, rates) : []),
    [
      'disk',
      `${roughSize(storage.usedBytes)} used (${limit}), ${roughSize(storage.freeBytes)} free (${roughSize(storage.minFreeBytes)} are kept free)`,
    ],
    [
      'integrity',
      `${counted(storage.quarantinedFiles, 'file')} in quarantine; all read again: ${storage.scrubbedAt ?? 'not yet'}`,
    ],
  ];
  return [
    ...rows.map(([key, value]) => `${key.padEnd(10)}${escape(value)}`),
    '',
    ...tableLines(upstreamColumns(found.offline), found.upstreams),
    ...(found.downloads.length === 0 ? [] : ['']),
    ...found.downloads.map(({ sha1, image, received, size, ...transfer }) =>
      barLine(
        {
          // What is cut off for want of width is the uuid's end.
          label: image === null ? sha1 : `${image.name} ${image.version} ${image.uuid}`.trim(),
          done: received,
          total: size,
          note: noteOf(transfer),
        },
        40,
      ),
    ),
  ];
}

/** Where nothing is wrong there is nothing to say. */
function readinessRows({ ready, reasons }: StatusResult['readiness']): readonly Row[] {
  return reasons.map((reason) => [ready ? 'trouble' : 'not ready', reason]);
}

function noteOf({
  followers,
  priority,
  passedThrough,
}: Pick<RunningDownload, 'followers' | 'priority' | 'passedThrough'>): string {
  if (priority === 'prefetch') return 'prefetch';
  return passedThrough ? `passed through to ${followers}` : `${followers} follow`;
}

/** Since the start, so only of a mirror that runs. */
function trafficRows(traffic: StatusResult['traffic'], rates: Rates | undefined): readonly Row[] {
  const { hit, miss, join, pass } = traffic.files;
  const saved =
    traffic.savedRatio === null
      ? 'nothing served yet'
      : `${Math.round(traffic.savedRatio * 100)}% of the bytes did not cross the WAN`;
  return [
    ['LAN', `${roughSize(traffic.lanBytes)} sent${speed(rates?.lan)}`],
    ['WAN', `${roughSize(traffic.wanBytes)} pulled${speed(rates?.wan)}; ${saved}`],
    [
      'files',
      `${counted(hit + miss + join + pass, 'request')}: ${counted(hit, 'hit')}, ${join} joined, ${counted(miss, 'miss', 'misses')}, ${pass} passed through`,
    ],
  ];
}

const STATE_WORDS: Readonly<Record<UpstreamState, string>> = {
  up: 'up',
  held: 'list held back',
  useless: 'gives no list',
  down: 'down',
  unknown: 'not asked',
  offline: 'offline',
};

function stateText(upstream: UpstreamStatus, isOffline: boolean): string {
  const word = STATE_WORDS[upstreamState(upstream, isOffline)];
  if (isOffline) return word;
  const { list, file } = upstream.breakers;
  const inState = (wanted: typeof list): string =>
    [...(list === wanted ? ['lists'] : []), ...(file === wanted ? ['files'] : [])].join(' and ');
  const [open, halfOpen] = [inState('open'), inState('half-open')];
  return [
    word,
    ...(open === '' ? [] : [`failing: ${open}`]),
    ...(halfOpen === '' ? [] : [`${halfOpen}: next request tries it`]),
  ].join(', ');
}

function ageOf(seconds: number | null): string {
  return seconds === null ? 'never' : roughTime(seconds * 1000);
}

function speed(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? '' : ` (${roughSize(Math.round(bytesPerSecond))}/s)`;
}
