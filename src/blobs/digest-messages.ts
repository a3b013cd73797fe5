/**
 * What the digester and its worker threads say to each other. Ids are unique within a worker.
 */
import type { Sha1Hex } from '../imgapi/ids.ts';

/** All three in the forms they are kept and sent in. */
export interface Digests {
  readonly sha1: Sha1Hex;
  /** Base64, as in Content-MD5. */
  readonly md5: string;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  /** Bytes hashed. */
  readonly size: number;
}

export type DigestRequest =
  /** `isWatched`: how far it has come is told after every turn. */
  | { readonly type: 'start'; readonly id: number; readonly path: string; readonly isWatched: boolean }
  | { readonly type: 'advance'; readonly id: number; readonly upTo: number }
  | { readonly type: 'finish'; readonly id: number; readonly size: number }
  | { readonly type: 'cancel'; readonly id: number };

/**
 * One answer for each job that was not cancelled, and of a watched one, before it, how far it has been read. `error` is
 * sent as soon as the job fails, even before its finish.
 */
export type DigestReply =
  | { readonly id: number; readonly hashedTo: number }
  | { readonly id: number; readonly digests: Digests }
  | { readonly id: number; readonly error: string; readonly errno: string | undefined };
