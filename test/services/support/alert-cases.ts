/** When each alert fires and when it does not. Written down by hand and not taken from the rules: what those say is tested. */
import { SERVICE_CASES } from './alert-cases-service.ts';
import { STORAGE_CASES } from './alert-cases-storage.ts';
import { UPSTREAMS_CASES } from './alert-cases-upstreams.ts';
import type { Series } from './alert-cases-notation.ts';

export interface FiringCase {
  readonly series: Series;
  /** The first step at which it fires, as in `1h30m`; it must not before. */
  readonly from: string;
  /** So many steps before that depend on Prometheus's version: whether the sample at the edge of a window is in. Default 0. */
  readonly slack?: number;
  /** About the last one: until then it fires at every step, and two steps later no more. The one between depends on the version too. */
  readonly to?: string;
  /** Labels beside the alert's own and those of the target. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What stands for `$value` in its texts, formatted. */
  readonly value?: string;
  /** There is nothing of which the alert could have the target's labels but its job. */
  readonly isTargetless?: boolean;
}

export interface SilentCase {
  readonly series: Series;
  /** It does not fire at any step up to this one. */
  readonly silentTo: string;
}

export interface AlertCases {
  /** As in `1m`; shorter than half of the rule's `for`. */
  readonly step: string;
  readonly cases: readonly (FiringCase | SilentCase)[];
}

/** By alert. */
export const ALERT_CASES: Readonly<Record<string, AlertCases>> = {
  ...SERVICE_CASES,
  ...UPSTREAMS_CASES,
  ...STORAGE_CASES,
};
