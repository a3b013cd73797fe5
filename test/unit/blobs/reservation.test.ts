import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { createSpaceKeeper } from '../../../src/blobs/reservation.ts';
import type { Reservation, SpaceKeeper } from '../../../src/blobs/reservation.ts';
import { sha1Of } from '../../../src/imgapi/ids.ts';

interface Disk {
  usedBytes: number;
  freeBytes: number;
}

function keeperOn(disk: Disk, maxBytes: number | null, minFreeBytes: number): SpaceKeeper {
  return createSpaceKeeper(
    { usedBytes: () => disk.usedBytes, statfs: async () => ({ bavail: disk.freeBytes, bsize: 1 }) },
    { dir: '/cache', maxBytes, minFreeBytes },
  );
}

suite('space keeper', () => {
  test('grants up to maxBytes exactly, and no byte more', async () => {
    const keeper = keeperOn({ usedBytes: 40, freeBytes: 1_000 }, 100, 0);
    assert.equal(await keeper.reserve(61), undefined);
    const held = await keeper.reserve(60);
    assert(held);
    assert.equal(keeper.reservedBytes(), 60);
    assert.equal(await keeper.reserve(1), undefined);
    assert(await keeper.reserve(0));
    held.release();
    held.release();
    assert.equal(keeper.reservedBytes(), 0);
    assert(await keeper.reserve(60));
  });

  test('leaves minFreeBytes exactly', async () => {
    const keeper = keeperOn({ usedBytes: 0, freeBytes: 100 }, null, 30);
    assert.equal(await keeper.reserve(71), undefined);
    assert(await keeper.reserve(70));
    assert.equal(await keeper.reserve(1), undefined);
  });

  test('of calls at the same moment only one takes the last room', async () => {
    for (const keeper of [
      keeperOn({ usedBytes: 0, freeBytes: 1_000 }, 100, 0),
      keeperOn({ usedBytes: 0, freeBytes: 100 }, null, 0),
    ]) {
      const answers = await Promise.all([
        keeper.reserve(60),
        keeper.reserve(60),
        keeper.reserve(60),
        keeper.reserve(40),
      ]);
      assert.deepEqual(
        answers.map((answer) => answer !== undefined),
        [true, false, false, true],
      );
    }
  });

  test('bytes that are written are taken off the free space once, by the disk; off maxBytes until the release', async () => {
    const disk = { usedBytes: 0, freeBytes: 100 };
    const keeper = keeperOn(disk, 200, 0);
    const held = await keeper.reserve(80);
    assert(held);
    disk.freeBytes -= 50;
    // Not said: 50 are counted twice.
    assert.equal(await keeper.reserve(20), undefined);
    held.consumed(50);
    held.consumed(30);
    assert.equal(keeper.reservedBytes(), 80);
    const other = await keeper.reserve(20);
    assert(other);
    assert.equal(await keeper.reserve(1), undefined);
    other.release();
    // More than was promised is not credited.
    disk.freeBytes -= 40;
    held.consumed(90);
    assert(await keeper.reserve(10));
    held.release();
    held.consumed(80);
    assert.equal(keeper.reservedBytes(), 10);
  });

  test('free space that cannot be asked is an error and not a no; the next call is answered', async () => {
    let isBroken = true;
    const keeper = createSpaceKeeper(
      {
        usedBytes: () => 0,
        statfs: async () => {
          if (isBroken) throw Object.assign(new Error('i/o error'), { code: 'EIO' });
          return { bavail: 10, bsize: 4_096 };
        },
      },
      { dir: '/cache', maxBytes: null, minFreeBytes: 0 },
    );
    await assert.rejects(keeper.reserve(1), { name: 'MirrorError', code: 'InternalError', message: /EIO/ });
    isBroken = false;
    assert.equal(await keeper.free(), 40_960);
    assert(await keeper.reserve(40_960));
  });

  test('what is not a number of bytes is refused', async () => {
    const keeper = keeperOn({ usedBytes: 0, freeBytes: 100 }, null, 0);
    for (const bytes of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await assert.rejects(keeper.reserve(bytes), { code: 'InternalError' });
    }
  });

  test('the real file system is asked where nothing else is given', async () => {
    const keeper = createSpaceKeeper({ usedBytes: () => 0 }, { dir: '/', maxBytes: null, minFreeBytes: 5 });
    assert((await keeper.free()) > 0);
    assert.deepEqual(keeper.limits(), { maxBytes: null, minFreeBytes: 5 });
  });

  test('where there is no room it is made, once, of just what is missing', async () => {
    const disk = { usedBytes: 100, freeBytes: 1_000 };
    const asked: unknown[] = [];
    const keeper = createSpaceKeeper(
      {
        usedBytes: () => disk.usedBytes,
        statfs: async () => ({ bavail: disk.freeBytes, bsize: 1 }),
        async makeRoom(bytes, besides) {
          asked.push([bytes, besides]);
          if (bytes > disk.usedBytes) return false;
          disk.usedBytes -= bytes;
          return true;
        },
      },
      { dir: '/cache', maxBytes: 120, minFreeBytes: 0 },
    );
    const sha1 = sha1Of(Buffer.from('blob'));
    const held = await keeper.reserve(50, sha1);
    assert(held);
    assert.deepEqual(asked, [[30, sha1]]);
    assert.equal(await keeper.reserve(121), undefined);
    assert.deepEqual(asked.slice(1), [[121, undefined]]);
    assert.equal(disk.usedBytes, 70);
    assert.deepEqual(await keeper.room(), { roomBytes: 0, capacityBytes: 120 });
  });

  test('room that the file system shows as free only later is waited for, but not for ever', async () => {
    const disk = { freeBytes: 10 };
    let looks = 0;
    const keeperOf = (settleMs: number): SpaceKeeper =>
      createSpaceKeeper(
        {
          usedBytes: () => 0,
          async statfs() {
            looks += 1;
            if (looks === 3) disk.freeBytes = 100;
            return { bavail: disk.freeBytes, bsize: 1 };
          },
          makeRoom: async () => true,
        },
        { dir: '/cache', maxBytes: null, minFreeBytes: 0, settleMs },
      );
    assert.equal(await keeperOf(0).reserve(50), undefined);
    looks = 0;
    assert(await keeperOf(10_000).reserve(50));
    assert.equal(looks, 3);
  });

  test('what a file brings with it counts towards maxBytes, and not towards what is said to be reserved', async () => {
    const keeper = createSpaceKeeper(
      { usedBytes: () => 0, footprintOf: (bytes) => bytes + 10, statfs: async () => ({ bavail: 1_000, bsize: 1 }) },
      { dir: '/cache', maxBytes: 100, minFreeBytes: 0 },
    );
    assert.equal(await keeper.reserve(91), undefined);
    const held = await keeper.reserve(80);
    assert(held);
    assert.equal(keeper.reservedBytes(), 80);
    assert.equal(await keeper.reserve(1), undefined);
    assert(await keeper.reserve(0));
    held.release();
    assert(await keeper.reserve(80));
  });

  test('law: whatever is reserved, written, committed and dropped, neither limit is ever crossed', async () => {
    const steps = fc.array(
      fc.record({ action: fc.constantFrom('reserve', 'write', 'commit', 'drop'), bytes: fc.nat(60), which: fc.nat(9) }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(200), fc.nat(50), async (actions, maxBytes, minFreeBytes) => {
        const disk = { usedBytes: 0, freeBytes: 180 };
        const keeper = keeperOn(disk, maxBytes, minFreeBytes);
        const running: { bytes: number; written: number; held: Reservation }[] = [];
        for (const { action, bytes, which } of actions) {
          const one = running[which % Math.max(1, running.length)];
          if (action === 'reserve') {
            const held = await keeper.reserve(bytes);
            if (held !== undefined) running.push({ bytes, written: 0, held });
          } else if (one !== undefined) {
            const target = action === 'commit' ? one.bytes : Math.min(one.bytes, one.written + bytes);
            if (action !== 'drop') {
              disk.freeBytes -= target - one.written;
              one.written = target;
              one.held.consumed(target);
            }
            if (action === 'commit') disk.usedBytes += one.bytes;
            if (action === 'drop') disk.freeBytes += one.written;
            if (action !== 'write') {
              one.held.release();
              running.splice(running.indexOf(one), 1);
            }
          }
          const onDisk = running.reduce((sum, { written }) => sum + written, disk.usedBytes);
          assert(onDisk <= maxBytes, 'maxBytes');
          assert(disk.freeBytes >= Math.min(180, minFreeBytes), 'minFreeBytes');
          assert.equal(
            keeper.reservedBytes(),
            running.reduce((sum, each) => sum + each.bytes, 0),
          );
        }
      }),
      { numRuns: 100 },
    );
  });
});
