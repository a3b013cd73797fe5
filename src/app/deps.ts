/** What the process gives a mirror. */
import type { Log } from '../config/log.ts';
import type { TlsPair } from '../http/tls.ts';
import type { RecordsStore } from '../records/records.ts';
import type { Tracing } from '../tracing/tracing.ts';

export interface AppDeps {
  readonly log: Log;
  /** Where the records are kept; closed with the app. */
  readonly recordsStore: RecordsStore;
  /** PEM text of each upstream's `caFile`, by the upstream's name. */
  readonly caOf: (upstream: string) => string | undefined;
  /** Serves HTTPS in place of HTTP; checked by the caller. */
  readonly tls?: TlsPair | undefined;
  /** The secret of this run; with it a request of the admin API may change something. */
  readonly adminSecret: string;
  /** The configured token, which may too; undefined where there is none. */
  readonly adminToken: string | undefined;
  /** Records requests, download attempts and upstream calls; closed with the app. Default: nothing is recorded. */
  readonly tracing?: Tracing | undefined;
  readonly hostname: string;
  readonly nodeVersion: string;
  /** ms since the epoch. */
  readonly now: () => number;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** [0, 1) */
  readonly random: () => number;
}
