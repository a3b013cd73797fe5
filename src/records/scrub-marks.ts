import type { ScrubMarks, ScrubRound } from '../blobs/scrub.ts';
import { isJsonObject } from '../blobs/json-file.ts';
import { isSha1Hex } from '../imgapi/ids.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { BoundedKeyv } from './bounded-keyv.ts';

const ROUND_KEY = 'scrub-round';

/** How far the scrub has come. Losing it costs one reading of what is stored, no more. */
export function createScrubMarks({ keyv }: { readonly keyv: BoundedKeyv }): ScrubMarks {
  return {
    async checkedAtMs(sha1) {
      const value = await keyv.get(keyOf(sha1));
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    },
    async setChecked(sha1, atMs) {
      await keyv.set(keyOf(sha1), atMs);
    },
    async round() {
      return roundOf(await keyv.get(ROUND_KEY));
    },
    async setRound({ beganAtMs, succeededAtMs }) {
      await keyv.set(ROUND_KEY, { beganAtMs, succeededAtMs: succeededAtMs ?? null });
    },
  };
}

function keyOf(sha1: Sha1Hex): string {
  if (!isSha1Hex(sha1)) throw new TypeError('not a SHA-1');
  return `scrubbed:${String(sha1)}`;
}

function roundOf(value: unknown): ScrubRound | undefined {
  if (!isJsonObject(value)) return undefined;
  const { beganAtMs, succeededAtMs } = value;
  if (typeof beganAtMs !== 'number') return undefined;
  return { beganAtMs, succeededAtMs: typeof succeededAtMs === 'number' ? succeededAtMs : undefined };
}
