/** What each verb results in. */
import type { AcceptResult } from './accept.ts';
import type { DownloadsResult } from './downloads.ts';
import type { EvictResult } from './evict.ts';
import type { ExportResult } from './export.ts';
import type { ImportResult } from './import.ts';
import type { ListResult } from './list.ts';
import type { PinResult } from './pin.ts';
import type { PrefetchResult } from './prefetch.ts';
import type { RefreshResult } from './refresh.ts';
import type { ScrubResult } from './scrub.ts';
import type { ShownImage } from './show.ts';
import type { StatusResult } from './status.ts';
import type { UnpinResult } from './unpin.ts';
import type { VerifyResult } from './verify.ts';

export interface Results {
  readonly status: StatusResult;
  readonly list: ListResult;
  readonly show: ShownImage;
  readonly downloads: DownloadsResult;
  readonly prefetch: PrefetchResult;
  readonly pin: PinResult;
  readonly unpin: UnpinResult;
  readonly evict: EvictResult;
  readonly accept: AcceptResult;
  readonly refresh: RefreshResult;
  readonly scrub: ScrubResult;
  readonly export: ExportResult;
  readonly import: ImportResult;
  readonly verify: VerifyResult;
}

/** The result of a verb as its type. Every operation makes its own, and a mirror's API hands it on. */
export function resultOf<V extends keyof Results>(_verb: V, result: object): Results[V] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table of verbs is what links the two
  return result as Results[V];
}
