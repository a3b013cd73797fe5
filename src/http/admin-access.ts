/**
 * Who may change something: whoever knows a token, from wherever they ask. A browser on another site does not: it cannot know the token,
 * and a foreign `Origin` is refused besides. Guesses are counted per address, so that they stay guesses.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { MirrorError } from '../imgapi/errors.ts';

export interface AdminAccess {
  /**
   * Lets a write in.
   * @throws MirrorError UnauthorizedError (no or wrong bearer), ForbiddenError (foreign origin), TooManyRequests
   */
  check(request: AdminRequest): void;
}

/** What counts of a request. */
export interface AdminRequest {
  readonly address: string;
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly host: string | undefined;
}

export interface AdminAccessOptions {
  /** The secret of this run, which the local command line reads: too long to be guessed, so no number of guesses shuts it out. */
  readonly secret: string;
  /** The configured token; undefined where there is none. */
  readonly token: string | undefined;
  /** `listen.publicUrl`: its origin is ours too. Read for every request. */
  readonly publicUrl: string | null;
}

/** Wrong bearers of one address before it has to wait, and how many it gets back per second. */
const GUESSES = 10;
const GUESSES_PER_SECOND = 0.2;
/** Writes of one address: a script may send many, a loop gone mad must not. */
const WRITES = 60;
const WRITES_PER_SECOND = 10;
/** Addresses that are remembered; the ones longest unseen are forgotten first. */
const MAX_ADDRESSES = 10_000;

export function createAdminAccess(
  deps: { readonly monotonicNow: () => number },
  options: AdminAccessOptions,
): AdminAccess {
  const secret = digestOf(options.secret);
  const token = digestOf(options.token ?? options.secret);
  const guesses = createBuckets(deps.monotonicNow, GUESSES, GUESSES_PER_SECOND);
  const writes = createBuckets(deps.monotonicNow, WRITES, WRITES_PER_SECOND);

  return {
    check({ address, authorization, origin, host }) {
      const bearer = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
      const given = digestOf(bearer ?? '');
      // Both of equal length, both compared: the time tells nothing.
      const isSecret = timingSafeEqual(secret, given) && bearer !== undefined;
      const isToken = timingSafeEqual(token, given) && bearer !== undefined;
      const guessInS = isSecret ? 0 : guesses.waitSeconds(address);
      if (guessInS > 0) throw tooMany('too many wrong tokens came from this address', guessInS);
      if (!isSecret && !isToken) {
        guesses.take(address);
        throw authorization === undefined
          ? new MirrorError('UnauthorizedError', 'this needs a token: Authorization: Bearer TOKEN')
          : new MirrorError('UnauthorizedError', 'the token is wrong');
      }
      if (origin !== undefined && !isOwnOrigin(origin, host, options.publicUrl)) {
        throw new MirrorError('ForbiddenError', 'a page of another origin may not do this');
      }
      const writeInS = writes.waitSeconds(address);
      if (writeInS > 0) throw tooMany('too many requests came from this address', writeInS);
      writes.take(address);
    },
  };
}

function isOwnOrigin(origin: string, host: string | undefined, publicUrl: string | null): boolean {
  if (publicUrl !== null && URL.parse(publicUrl)?.origin === origin) return true;
  const found = URL.parse(origin);
  return found !== null && host !== undefined && found.host === host.toLowerCase();
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function tooMany(message: string, waitSeconds: number): MirrorError {
  const retryAfterSeconds = Math.ceil(waitSeconds);
  return new MirrorError('TooManyRequests', `${message}: try again in ${retryAfterSeconds} s`, {
    details: { retryAfterSeconds },
  });
}

interface Buckets {
  /** How long there is nothing to take; 0: there is. */
  waitSeconds(address: string): number;
  take(address: string): void;
}

/** A token bucket per address. */
function createBuckets(monotonicNow: () => number, most: number, perSecond: number): Buckets {
  const buckets = new LRUCache<string, { left: number; atMs: number }>({ max: MAX_ADDRESSES });
  function leftOf(address: string): number {
    const bucket = buckets.get(address);
    if (bucket === undefined) return most;
    return Math.min(most, bucket.left + ((monotonicNow() - bucket.atMs) / 1_000) * perSecond);
  }
  return {
    waitSeconds: (address) => Math.max(0, (1 - leftOf(address)) / perSecond),
    take: (address) => buckets.set(address, { left: leftOf(address) - 1, atMs: monotonicNow() }),
  };
}
