/** How the upstreams of a chaos run answer: soundly now and then, and otherwise with one or two faults. */
import type { Behave, Behaviour, ImageServerRequest, RangeLie } from '../support/image-server.ts';
import type { TestImage } from '../support/images.ts';
import { anyByte } from './chaos-images.ts';
import { createRandom } from './random.ts';
import type { Random } from './random.ts';

export interface HostileOptions {
  readonly seed: number;
  /** Which of the upstreams: 0, 1, ... Each has faults of its own. */
  readonly upstream: number;
  /** While true it never answers a range with what was asked for. What it says of the whole is as sound as any other's. */
  readonly liesAboutRanges: () => boolean;
  readonly images: ReadonlyMap<string, TestImage>;
  /** What the mirror waits for a byte. */
  readonly stallTimeoutMs: number;
  /** Counts a fault by its name. */
  readonly onFault: (name: string) => void;
  /** An origin that redirects must not lead to. */
  readonly elsewhere: () => string;
}

/** A name for the report, and what it does to the answer. */
type Fault = readonly [name: string, behaviour: Behaviour];

const RANGE_LIES: readonly RangeLie[] = ['start', 'end', 'total', 'missing', 'shifted', 'unasked'];
/** Those that show in the headers. */
const UNFIT: readonly RangeLie[] = ['start', 'end', 'total', 'missing'];
/** Requests that go by between two changes of an upstream's mood. */
const MOOD_REQUESTS = 15;

/** For `ImageServer.behave`. */
export function createHostile(options: HostileOptions): Behave {
  const { seed, upstream, images, onFault } = options;
  const counts = new Map<string, number>();
  let files = 0;

  function behave(request: ImageServerRequest): Behaviour | undefined {
    const key = `${request.route} ${request.uuid ?? ''}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    const random = createRandom(seed, upstream, key, count);
    if (request.route === 'list') return counted(listFault(random), onFault);
    if (request.route !== 'file') return undefined;
    files += 1;
    const mood = createRandom(seed, upstream, 'mood', Math.floor(files / MOOD_REQUESTS));
    // A burst: everything is refused for a while.
    if (mood.chance(0.08)) return counted(['burst of refusals', refusal(mood)], onFault);
    const index = Number(request.query.get('index') ?? 0);
    const size = images.get(request.uuid ?? '')?.files[index]?.size ?? 0;
    if (options.liesAboutRanges() && request.headers['range'] !== undefined) {
      return counted(unfitRange(random), onFault);
    }
    const supportsRange = random.chance(0.6);
    if (random.chance(0.4)) return { supportsRange };
    const first = counted(fileFault(random, request, size, options), onFault);
    const second = random.chance(0.2) ? counted(fileFault(random, request, size, options), onFault) : undefined;
    return { supportsRange, ...second, ...first };
  }

  return behave;
}

function counted(fault: Fault | undefined, onFault: (name: string) => void): Behaviour | undefined {
  if (fault === undefined) return undefined;
  onFault(fault[0]);
  return fault[1];
}

/** Lists are asked for at every start of the mirror: it must live on the last good one. */
function listFault(random: Random): Fault | undefined {
  if (random.chance(0.5)) return undefined;
  const listMode = random.pick(['chunked', 'truncated', 'cut', 'not-json', 'empty', 'object'] as const);
  return [`list ${listMode}`, { listMode }];
}

/** What cannot be gone on with, whatever the rest of the answer is. */
function unfitRange(random: Random): Fault {
  const how = random.pick([...UNFIT, 416, 'another ETag'] as const);
  if (how === 416) return ['every range: 416', { status: 416 }];
  if (how === 'another ETag') return ['every range: another ETag', anotherVersion(random)];
  return ['every range: unfit 206', { supportsRange: true, rangeLie: how }];
}

/** As if the file had been replaced: other bytes, under a tag of their own. */
function anotherVersion(random: Random): Behaviour {
  return { supportsRange: true, rangeLie: 'shifted', headers: { Etag: `"${random.int(0, 1e9)}"` } };
}

function refusal(random: Random): Behaviour {
  return { status: random.pick([400, 401, 403, 404, 410, 429, 500, 502, 503, 504]) };
}

function fileFault(
  random: Random,
  request: ImageServerRequest,
  size: number,
  { stallTimeoutMs, elsewhere }: HostileOptions,
): Fault {
  const byte = anyByte(random, size);
  const faults: readonly (readonly [number, () => Fault])[] = [
    [22, () => ['cut', { cutAfterBytes: byte }]],
    [6, () => ['stall', { stallAfterBytes: byte }]],
    // Never so slow that a second is not enough for all of it: a trickle is legal, and waiting for it proves no more.
    [5, () => ['trickle', { rateBytesPerSecond: Math.max(50_000, size), rateScope: 'each' }]],
    [9, () => ['corrupt byte', { corruptAtByte: Math.min(byte, Math.max(0, size - 1)) }]],
    [4, () => ['length too large', { contentLength: size + random.int(1, 70_000), ...closing(random) }]],
    [4, () => ['length too small', { contentLength: Math.max(0, byte - 1), ...closing(random) }]],
    [6, () => ['no length, chunked', { contentLength: 'none' }]],
    [4, () => ['no length, cut', { contentLength: 'none', cutAfterBytes: byte }]],
    [5, () => ['wrong Content-MD5', { contentMd5: 'wrong' }]],
    [5, () => ['no Content-MD5', { contentMd5: 'none' }]],
    [10, () => ['lying 206', { supportsRange: true, rangeLie: random.pick(RANGE_LIES) }]],
    [4, () => ['another ETag', anotherVersion(random)]],
    [3, () => ['redirect within', { redirectTo: request.url }]],
    [3, () => ['redirect elsewhere', { redirectTo: `${elsewhere()}${request.url}` }]],
    [6, () => ['refusal', refusal(random)]],
    [5, () => ['slow headers', { delayHeadersMs: random.int(1, stallTimeoutMs * 1.3) }]],
    [2, () => ['no answer', { hangHeaders: true }]],
    [5, () => ['reset', { resetHeaders: true }]],
    [2, () => ['unasked encoding', { headers: { 'Content-Encoding': 'gzip' } }]],
  ];
  return random.weighted(faults)();
}

/** A wrong length on a connection that stays open poisons what comes next on it: the worse of two cases. */
function closing(random: Random): Behaviour {
  return random.chance(0.5) ? {} : { headers: { Connection: 'keep-alive' } };
}
