import { EventEmitter } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import type { Sha1Hex } from '../imgapi/ids.ts';

/** Which blobs have descriptors open in this process. Evicting one of them would free nothing until they are closed. */
export interface OpenCount {
  has(sha1: Sha1Hex): boolean;
  /** Counts it until the function it returns is called; again is harmless. */
  hold(sha1: Sha1Hex): () => void;
  /** Counts it until the handle is closed, by whomever. */
  holdUntilClosed(sha1: Sha1Hex, handle: FileHandle): void;
}

export function createOpenCount(): OpenCount {
  const counts = new Map<Sha1Hex, number>();
  const hold = (sha1: Sha1Hex): (() => void) => {
    counts.set(sha1, (counts.get(sha1) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (counts.get(sha1) ?? 1) - 1;
      if (left > 0) counts.set(sha1, left);
      else counts.delete(sha1);
    };
  };
  return {
    has: (sha1) => counts.has(sha1),
    hold,
    holdUntilClosed(sha1, handle) {
      // Every FileHandle is one, though its types do not say so.
      if (!(handle instanceof EventEmitter)) throw new TypeError('a FileHandle without events');
      handle.once('close', hold(sha1));
    },
  };
}
