/** The server under examination, and how long and how much the doctor takes from it. */
import type { Report } from './finding.ts';
import type { Probe } from './probe.ts';

export interface Limits {
  /** For a ping and other small answers, ms. */
  readonly smallMs: number;
  /** For a list, ms: a cold mirror asks its upstreams first. */
  readonly listMs: number;
  /** For a file, ms. */
  readonly fileMs: number;
  readonly listBytes: number;
  /** The largest file that is fetched. */
  readonly fileBytes: number;
}

export const LIMITS: Limits = {
  smallMs: 10_000,
  listMs: 60_000,
  fileMs: 300_000,
  listBytes: 64 * 2 ** 20,
  fileBytes: 64 * 2 ** 20,
};

export interface Subject {
  readonly probe: Probe;
  readonly report: Report;
  readonly limits: Limits;
}
