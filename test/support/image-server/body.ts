/** Bodies of files and icons: written at a rate, cut, stalled or corrupted as the behaviour says. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ByteSource } from '../image-bytes.ts';
import type { Exchange } from './exchange.ts';
import { createThrottle, pieceBytesAt } from './throttle.ts';

const UNTHROTTLED_PIECE_BYTES = 262_144;
const STALL_POLL_MS = 10;

/** The bytes from `start` up to `end` (exclusive). */
export interface Window {
  readonly start: number;
  readonly end: number;
}

/**
 * Writes a window of the source after the headers have gone out, and ends the response. `onBytes` hears of every piece handed to the socket.
 * Rejects with AbortError when the exchange's signal fires.
 */
export async function sendBody(
  exchange: Exchange,
  source: ByteSource,
  { start, end }: Window,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { response, signal } = exchange;
  const ownThrottle = createThrottle();
  let sent = 0;
  while (start + sent < end) {
    const { cutAfterBytes, stallAfterBytes, rateBytesPerSecond, rateScope, corruptAtByte } = exchange.behaviour();
    if (cutAfterBytes !== undefined && sent >= cutAfterBytes) {
      await drained(exchange);
      response.socket?.destroy();
      return;
    }
    if (stallAfterBytes !== undefined && sent >= stallAfterBytes) {
      await sleep(STALL_POLL_MS, undefined, { signal });
      continue;
    }
    const length = Math.min(
      rateBytesPerSecond === undefined ? UNTHROTTLED_PIECE_BYTES : pieceBytesAt(rateBytesPerSecond),
      end - start - sent,
      (cutAfterBytes ?? Infinity) - sent,
      (stallAfterBytes ?? Infinity) - sent,
    );
    if (rateBytesPerSecond !== undefined) {
      const throttle = rateScope === 'each' ? ownThrottle : exchange.state.sharedThrottle;
      await throttle.pass(length, rateBytesPerSecond, signal);
    }
    const piece = corrupted(source.read(start + sent, length), start + sent, corruptAtByte);
    const hasRoom = response.write(piece);
    sent += piece.length;
    onBytes(piece.length);
    if (!hasRoom) await once(response, 'drain', { signal });
  }
  response.end();
}

/** Waits until all written so far is with the kernel, so that a cut loses none of it. */
async function drained({ response, signal }: Exchange): Promise<void> {
  while (response.writableLength > 0) await sleep(1, undefined, { signal });
}

function corrupted(piece: Buffer, offset: number, corruptAtByte: number | undefined): Buffer {
  const index = (corruptAtByte ?? -1) - offset;
  if (index < 0 || index >= piece.length) return piece;
  const copy = Buffer.from(piece);
  copy[index] = (piece[index] ?? 0) ^ 1;
  return copy;
}
