/** How far a bundle's verb has come, told at most five times a second. */
import type { OperationEvent } from './operation.ts';

/** Sizes in bytes. `doneBytes` goes back where something has to be done again. */
export interface BundleProgressEvent extends OperationEvent {
  readonly type: 'progress';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface BundleProgress {
  add(bytes: number): void;
  set(doneBytes: number): void;
  /** Tells where it stands, in any case. */
  tell(): void;
}

const EVERY_MS = 200;

export function createBundleProgress(
  deps: { readonly monotonicNow: () => number; readonly onEvent: (event: BundleProgressEvent) => void },
  totalBytes: number,
): BundleProgress {
  let doneBytes = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;
  const tell = (): void => {
    toldAtMs = deps.monotonicNow();
    deps.onEvent({ type: 'progress', doneBytes, totalBytes });
  };
  const set = (now: number): void => {
    doneBytes = now;
    if (deps.monotonicNow() - toldAtMs >= EVERY_MS) tell();
  };
  return { set, add: (bytes) => set(doneBytes + bytes), tell };
}
