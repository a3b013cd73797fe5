/**
 * The part of a file that only passes through. It must not end before all of the file is known to be right, and what
 * passes through lies nowhere: so the end of the part is held in memory while the rest of the file goes by.
 */
import type { ByteSource } from './byte-source.ts';
import { WITHHELD_BYTES } from './growing-file.ts';

const SCRATCH_BYTES = 64 * 1024;

/**
 * Bytes [.., end) of `whole`, which it takes over, front to back. `whole` gives its own last bytes when all of them are right,
 * and not before: who has read it to its end knows.
 */
export function checkedPart(whole: ByteSource, end: number): ByteSource {
  const heldFrom = Math.max(0, end - WITHHELD_BYTES);
  let checking: Promise<{ readonly start: number; readonly bytes: Buffer }> | undefined;
  let isChecked = false;

  async function check(start: number, signal: AbortSignal): Promise<{ start: number; bytes: Buffer }> {
    const bytes = Buffer.allocUnsafeSlow(end - start);
    for (let at = start; at < end;) at += await whole.read(bytes.subarray(at - start), at, end - at, signal);
    const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    for (let at = end; at < whole.size;) {
      at += await whole.read(scratch, at, Math.min(scratch.length, whole.size - at), signal);
    }
    isChecked = true;
    return { start, bytes };
  }

  return {
    size: whole.size,
    endAt() {},
    ready(position, signal) {
      if (position < heldFrom) return whole.ready(position, signal);
      if (isChecked) return undefined;
      return (checking ??= check(position, signal)).then(() => undefined);
    },
    async read(buffer, position, length, signal) {
      if (position < heldFrom) return whole.read(buffer, position, Math.min(length, heldFrom - position), signal);
      const { start, bytes } = await (checking ??= check(position, signal));
      return bytes.copy(buffer, 0, position - start, Math.min(bytes.length, position - start + length));
    },
    close: async () => whole.close(),
  };
}
