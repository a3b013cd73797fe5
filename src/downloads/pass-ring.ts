/**
 * The last bytes of a transfer that is not on disk, for those who read it at their own pace: a ring of blocks, each with
 * the hashes of everything before it. Who falls out of the ring can so be verified on the way it goes on alone.
 */
import type { RunningHashes } from './running-hashes.ts';

export interface PassRing {
  /** The bytes it holds: [start, end) of the file. */
  readonly start: number;
  readonly end: number;
  /** Takes the next bytes, and copies them. Older ones go when it is full. */
  push(chunk: Buffer): void;
  /** Copies up to `length` bytes from `position`, which it must hold; at least one, at most to the end of a block. */
  copy(buffer: Buffer, position: number, length: number): number;
  /** The hashes of [0, position), a fork. `position` must be in it, or its end. */
  hashesAt(position: number): RunningHashes;
}

export interface PassRingOptions {
  /** Where its first byte is in the file. */
  readonly start: number;
  /** Of [0, start); the ring goes on with them. */
  readonly hashes: RunningHashes;
  /** Most that it holds, and the memory it takes. */
  readonly capacityBytes: number;
  /** Called before it lets go of all bytes before `start`. */
  readonly onDrop: (start: number) => void;
}

interface Block {
  readonly start: number;
  readonly bytes: Buffer;
  /** Of all bytes before it. */
  readonly before: RunningHashes;
  used: number;
}

/** It grows and lets go by this. */
export const RING_BLOCK_BYTES: number = 256 * 1024;

export function createPassRing(options: PassRingOptions): PassRing {
  const { hashes } = options;
  const maxBlocks = Math.max(1, Math.floor(options.capacityBytes / RING_BLOCK_BYTES));
  const blocks: Block[] = [];
  let end = options.start;

  /** The block that takes the next byte: the last, or a new one in the memory of the oldest. */
  function open(): Block {
    const last = blocks.at(-1);
    if (last !== undefined && last.used < RING_BLOCK_BYTES) return last;
    let bytes: Buffer | undefined;
    if (blocks.length >= maxBlocks) {
      options.onDrop(blocks[1]?.start ?? end);
      bytes = blocks.shift()?.bytes;
    }
    const block = {
      start: end,
      bytes: bytes ?? Buffer.allocUnsafeSlow(RING_BLOCK_BYTES),
      before: hashes.fork(),
      used: 0,
    };
    blocks.push(block);
    return block;
  }

  function blockAt(position: number): Block {
    const [first] = blocks;
    const found = first === undefined ? undefined : blocks[Math.floor((position - first.start) / RING_BLOCK_BYTES)];
    if (found === undefined) throw new RangeError(`byte ${position} is not in the ring`);
    return found;
  }

  return {
    get start() {
      return blocks[0]?.start ?? end;
    },
    get end() {
      return end;
    },
    push(chunk) {
      for (let at = 0; at < chunk.length;) {
        const block = open();
        const piece = chunk.subarray(at, at + RING_BLOCK_BYTES - block.used);
        block.bytes.set(piece, block.used);
        hashes.update(piece);
        block.used += piece.length;
        end += piece.length;
        at += piece.length;
      }
    },
    copy(buffer, position, length) {
      const block = blockAt(position);
      const from = position - block.start;
      return block.bytes.copy(buffer, 0, from, Math.min(block.used, from + length));
    },
    hashesAt(position) {
      if (position === end) return hashes.fork();
      const block = blockAt(position);
      const found = block.before.fork();
      found.update(block.bytes.subarray(0, position - block.start));
      return found;
    },
  };
}
