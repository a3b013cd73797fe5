/** What happens to transfers, for those who count it. */
import type { WantedBlob } from './wanted.ts';

/**
 * `partial`: a download took up what an earlier one had left on disk, and hashes it once. `range`: an upstream went on at
 * the byte asked for (206). `skip`: it began anew (200), and what is there already was skipped.
 */
export type ResumeMode = 'range' | 'skip' | 'partial';

/**
 * `right`: all of a file, by its SHA-1. `sha1`: not the bytes that the manifest names. `size`: more or fewer bytes
 * than the manifest says were offered. `md5`: right bytes under a wrong Content-MD5.
 */
export type IntegrityResult = 'right' | 'sha1' | 'size' | 'md5';

/** All of them, for priming metrics. */
export const RESUME_MODES: readonly ResumeMode[] = ['range', 'skip', 'partial'];
export const INTEGRITY_RESULTS: readonly IntegrityResult[] = ['right', 'sha1', 'size', 'md5'];

export interface TransferEvents {
  /** `bytes`: those that are not received again; with `skip` they are, and thrown away. */
  onResume(mode: ResumeMode, bytes: number): void;
  /** This upstream is given up, or waits its turn, and the next source is asked. */
  onFailover(upstream: string): void;
  /** Nothing came from this upstream for its `stallTimeout`, or no connection within its `connectTimeout`. */
  onStall(upstream: string): void;
  onChecked(result: IntegrityResult): void;
}

export interface TransferEnd {
  readonly result: string;
  /** Why no more came; undefined where the result says all. */
  readonly failure?: Error;
}

/** Begins a transfer and returns it: put around, what `begin` does and begins, and all it tells of, can be known for its own. */
export type AroundTransfer = <T extends { readonly ended: Promise<TransferEnd> }>(
  kind: 'download' | 'pass-through',
  wanted: WantedBlob,
  begin: () => T,
) => T;

/** Puts nothing around. */
export const beginPlainly: AroundTransfer = (_kind, _wanted, begin) => begin();
