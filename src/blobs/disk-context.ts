import type { Log } from '../config/log.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { Condemned } from './condemned.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { BlobLayout } from './layout.ts';
import type { Tally } from './tally.ts';

/** What the parts of one disk store share. */
export interface DiskContext {
  readonly log: Log;
  readonly layout: BlobLayout;
  /** Held around every change of a blob's place, and around looking before such a change. */
  readonly lock: KeyedLock;
  readonly tally: Tally;
  /** Found rotten, wherever they are by now. */
  readonly condemned: Condemned;
  /** The partials this process has open. */
  readonly openPartials: Set<Sha1Hex>;
  /** The files that a running import has staged. */
  readonly openStaged: Set<Sha1Hex>;
  /** A new name part for quarantine, never the same twice. */
  nextStamp(): string;
}
