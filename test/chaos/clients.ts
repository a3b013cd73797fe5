/** The clients of a chaos run: patient, slow, impatient, insistent, and those that want a part. What each got is judged byte by byte. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawRequest } from '../support/raw-request.ts';
import type { RawRequestOptions, RawResponse } from '../support/raw-request.ts';
import { anyByte } from './chaos-images.ts';
import type { ChaosFile } from './chaos-images.ts';
import type { Random } from './random.ts';

/**
 * `right`: ended cleanly with the right bytes. `broken`: the connection was broken off, so the client knows. `refused`: an error status.
 * `left`: the client's own doing. `wrong`: ended cleanly and should not have. `hung`: neither bytes nor an end in time.
 */
export type Verdict = 'right' | 'broken' | 'refused' | 'left' | 'wrong' | 'hung';

export interface Judged {
  readonly verdict: Verdict;
  /** For `wrong` and `hung`: what was seen. */
  readonly why: string;
  readonly cache: string;
  /** How often it asked anew: what is judged is its last answer. */
  readonly askedAgain: number;
}

/** An insistent client leaves it at this many answers. */
const MOST_ANSWERS = 6;

export interface AskOptions {
  readonly port: number;
  readonly target: ChaosFile;
  readonly deadlineMs: number;
}

/** A patient client that wants all of it. */
export async function askWhole(options: AskOptions): Promise<Judged> {
  return ask(options, {});
}

/** A client of any kind. */
export async function askSomehow(options: AskOptions, random: Random): Promise<Judged> {
  const { size } = options.target.file;
  const kind = random.weighted([
    [35, 'fast'],
    [10, 'insistent'],
    [10, 'slow'],
    [15, 'vanishing'],
    [5, 'gone before the headers'],
    [25, 'range'],
  ] as const);
  if (kind === 'slow') return ask(options, { rateBytesPerSecond: Math.max(100_000, size) });
  if (kind === 'vanishing') return ask(options, { abortAfterBytes: Math.max(1, anyByte(random, size)) });
  if (kind === 'range') return ask(options, { headers: { Range: anyRange(random, size) } });
  if (kind === 'fast') return ask(options, {});
  if (kind === 'insistent') return askAgainAtOnce(options);
  const leave = new AbortController();
  const asked = ask(options, { signal: leave.signal });
  await sleep(random.int(0, 60));
  leave.abort();
  return asked;
}

/** Whose answer is broken off asks anew in the same turn, while the mirror still deals with what broke it. */
async function askAgainAtOnce(options: AskOptions): Promise<Judged> {
  for (let askedAgain = 0; ; askedAgain += 1) {
    const judged = await ask(options, {});
    if (judged.verdict !== 'broken' || askedAgain + 1 === MOST_ANSWERS) return { ...judged, askedAgain };
  }
}

function anyRange(random: Random, size: number): string {
  const [one, other] = [anyByte(random, size), anyByte(random, size)];
  const [first, last] = [Math.min(one, other), Math.max(one, other)];
  return random.pick([`bytes=${first}-${last}`, `bytes=${first}-`, `bytes=-${last}`]);
}

async function ask({ port, target, deadlineMs }: AskOptions, how: Partial<RawRequestOptions>): Promise<Judged> {
  const { image, index } = target;
  const path = `/images/${image.uuid}/file${index === 0 ? '' : `?index=${index}`}`;
  const startedAtMs = performance.now();
  try {
    const response = await rawRequest({ port, path, deadlineMs, hash: true, keepBody: false, ...how });
    return { ...judge(response, target), cache: String(response.headers['x-cache'] ?? 'none'), askedAgain: 0 };
  } catch (error) {
    // No answer at all: the mirror went away (it is being restarted), or the client did.
    const isLate = performance.now() - startedAtMs >= deadlineMs * 0.95;
    const none = { cache: 'none', askedAgain: 0 };
    if (isLate) return { ...none, verdict: 'hung', why: `no headers of ${path} in ${deadlineMs} ms` };
    const verdict = how.signal?.aborted === true ? 'left' : 'broken';
    return { ...none, verdict, why: String(error) };
  }
}

function judge(response: RawResponse, { image, file }: ChaosFile): { verdict: Verdict; why: string } {
  const { status, headers, bytes, brokenBy } = response;
  const what = `${status} of ${image.uuid} (${file.size} bytes): ${bytes} bytes, ${JSON.stringify(headers)}`;
  if (brokenBy === 'deadline') return { verdict: 'hung', why: what };
  if (brokenBy === 'abort-after' || brokenBy === 'signal') return { verdict: 'left', why: '' };
  if (brokenBy !== undefined) return { verdict: 'broken', why: '' };
  if (status === 200) {
    const isRight = bytes === file.size && response.sha1 === file.sha1;
    const md5 = headers['content-md5'] ?? file.md5;
    return isRight && md5 === file.md5 ? { verdict: 'right', why: '' } : { verdict: 'wrong', why: what };
  }
  if (status === 206) {
    const [, first = '', last = '', total = ''] =
      /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
    const isRight = Number(total) === file.size && response.sha1 === sha1Of(file, Number(first), Number(last) + 1);
    return isRight && last !== '' ? { verdict: 'right', why: '' } : { verdict: 'wrong', why: what };
  }
  return status >= 400 ? { verdict: 'refused', why: '' } : { verdict: 'wrong', why: what };
}

function sha1Of(file: ChaosFile['file'], start: number, end: number): string {
  const hash = createHash('sha1');
  for (let at = start; at < end;) {
    const piece = file.read(at, end - at);
    if (piece.length === 0) break;
    hash.update(piece);
    at += piece.length;
  }
  return hash.digest('hex');
}
