import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createFileWriter } from '../../../src/downloads/file-writer.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { createFakeFile } from './fake-disk.ts';

const MIB = 1024 * 1024;

function bench(position = 0) {
  const disk = createFakeFile();
  const ends: number[] = [];
  const writer = createFileWriter({ handle: disk.handle, position, onWritten: (end) => ends.push(end) });
  return { disk, ends, writer };
}

/** Long enough for a write that is under way to end. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}

test('chunks of all sizes are in the file, in order and without a gap, after a flush', async () => {
  const { disk, ends, writer } = bench();
  const bytes = createSeededBytes('writer', 100_000).read(0, 100_000);
  for (let at = 0, length = 1; at < bytes.length; at += length, length = (length * 7) % 5_003) {
    await writer.append(bytes.subarray(at, at + length));
  }
  await writer.flush();
  assert.deepEqual(disk.bytes, bytes);
  assert.equal(ends.at(-1), bytes.length);
  assert.deepEqual(
    ends,
    ends.toSorted((a, b) => a - b),
  );
});

test('one small chunk is on disk at once: a slow upstream has its followers served', async () => {
  const { ends, writer } = bench();
  await writer.append(Buffer.from('a'));
  await settle();
  assert.deepEqual(ends, [1]);
});

test('small chunks of the next tenth of a second wait, and go out as one piece when it is over', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { disk, ends, writer } = bench();
  for (const text of ['a', 'b', 'c', 'd']) {
    await writer.append(Buffer.from(text));
    await settle();
  }
  t.mock.timers.tick(99);
  await settle();
  assert.deepEqual(ends, [1]);
  t.mock.timers.tick(1);
  await settle();
  assert.deepEqual(ends, [1, 4]);
  // That write, too, has its tenth of a second; after one in which nothing came the next chunk does not wait.
  await writer.append(Buffer.from('e'));
  t.mock.timers.tick(100);
  await settle();
  t.mock.timers.tick(100);
  await settle();
  await writer.append(Buffer.from('f'));
  await settle();
  assert.deepEqual(ends, [1, 4, 5, 6]);
  assert.equal(disk.bytes.toString(), 'abcdef');
});

test('64 KiB do not wait, in one chunk or in several', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { ends, writer } = bench();
  await writer.append(Buffer.alloc(1));
  await settle();
  await writer.append(Buffer.alloc(64 * 1024));
  await settle();
  await writer.append(Buffer.alloc(64 * 1024 - 1));
  await settle();
  assert.deepEqual(ends, [1, 64 * 1024 + 1]);
  await writer.append(Buffer.alloc(1));
  await settle();
  assert.deepEqual(ends, [1, 64 * 1024 + 1, 128 * 1024 + 1]);
});

test('a flush waits for no time to pass, and leaves no timer behind', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { ends, writer } = bench();
  await writer.append(Buffer.from('a'));
  await settle();
  await writer.append(Buffer.from('b'));
  await writer.flush();
  assert.deepEqual(ends, [1, 2]);
  await writer.append(Buffer.from('c'));
  await settle();
  assert.deepEqual(ends, [1, 2, 3]);
});

test('what comes while a write is under way goes out as one piece', async () => {
  const { disk, writer } = bench();
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  for (const text of ['a', 'b', 'c', 'd']) await writer.append(Buffer.from(text));
  gate.resolve();
  await writer.flush();
  assert.equal(disk.bytes.toString(), 'abcd');
  assert.deepEqual(disk.writes, [
    { position: 0, length: 1 },
    { position: 1, length: 3 },
  ]);
});

test('behind a disk that does not keep up no more than a mebibyte gathers', async () => {
  const { disk, writer } = bench();
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  await writer.append(Buffer.alloc(10));
  await writer.append(Buffer.alloc(MIB - 1));
  let isTaken = false;
  const blocked = (async () => {
    await writer.append(Buffer.alloc(1));
    isTaken = true;
  })();
  await settle();
  assert.equal(isTaken, false);
  gate.resolve();
  await blocked;
  await writer.flush();
  assert.equal(disk.bytes.length, 10 + MIB);
});

test('a short write is gone on with, and followers hear of whole pieces only', async () => {
  const { disk, ends, writer } = bench();
  disk.maxWriteBytes = 3;
  await writer.append(Buffer.from('0123456789'));
  await writer.flush();
  assert.equal(disk.bytes.toString(), '0123456789');
  assert.equal(disk.writes.length, 4);
  assert.deepEqual(ends, [10]);
});

test('it begins where it is told to', async () => {
  const { disk, ends, writer } = bench(4);
  await disk.handle.write(Buffer.from('0123'), 0, 4, 0);
  await writer.append(Buffer.from('45'));
  await writer.flush();
  assert.equal(disk.bytes.toString(), '012345');
  assert.deepEqual(ends, [6]);
});

test('a write error reaches whoever appends or flushes next, again and again, and nothing more is written', async () => {
  const { disk, ends, writer } = bench();
  disk.writeError = new Error('ENOSPC: no space left on device');
  await writer.append(Buffer.from('lost'));
  await assert.rejects(writer.flush(), /ENOSPC/);
  disk.writeError = undefined;
  await assert.rejects(writer.append(Buffer.from('later')), /ENOSPC/);
  await assert.rejects(writer.flush(), /ENOSPC/);
  assert.deepEqual([disk.bytes.length, ends.length], [0, 0]);
});

test('an append that waits for the disk is told of the error it waited for', async () => {
  const { disk, writer } = bench();
  const gate = Promise.withResolvers<void>();
  disk.gate = gate.promise;
  disk.writeError = new Error('EIO: i/o error');
  await writer.append(Buffer.alloc(1));
  const waiting = writer.append(Buffer.alloc(2 * MIB));
  gate.resolve();
  await assert.rejects(waiting, /EIO/);
});

test('nothing appended is nothing to wait for', async () => {
  const { ends, writer } = bench();
  await writer.flush();
  assert.deepEqual(ends, []);
});

test('an empty chunk changes nothing: what comes after it is written all the same', async () => {
  // An empty chunk begins a drain that has nothing to do; a writer that takes it for one under way never writes again.
  const { disk, writer } = bench();
  await writer.append(Buffer.alloc(0));
  await writer.append(Buffer.from('after'));
  await writer.flush();
  assert.equal(disk.bytes.toString(), 'after');
});
