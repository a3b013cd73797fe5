import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandIo, Signal } from '../../../src/cli/io.ts';
import { createSignals, type Signals } from '../../../src/cli/signals.ts';
import { fakeIo } from './fake-io.ts';

function bench(options: { readonly endsWithReader?: boolean } = {}): {
  signals: Signals;
  send: (name: Signal) => void;
  forced: number[];
  isReleased: () => boolean;
} {
  let handler: ((name: Signal) => void) | undefined;
  const forced: number[] = [];
  const io: CommandIo = {
    ...fakeIo([]).io,
    onSignal(taken) {
      handler = taken;
      return () => {
        handler = undefined;
      };
    },
    forceExit: (code) => void forced.push(code),
  };
  const signals = createSignals(io, options);
  return { signals, send: (name) => handler?.(name), forced, isReleased: () => handler === undefined };
}

test('the first SIGTERM or SIGINT asks to stop, the second ends at once', async () => {
  const { signals, send, forced } = bench();
  assert.equal(signals.stopped.aborted, false);
  send('SIGINT');
  assert.equal(await signals.stopAsked, 'SIGINT');
  assert.deepEqual([signals.stopped.aborted, forced], [true, []]);
  send('SIGTERM');
  assert.deepEqual(forced, [1]);
});

test('SIGHUP reloads every time, and stops nothing', () => {
  const { signals, send } = bench();
  let reloads = 0;
  signals.onReload(() => (reloads += 1));
  send('SIGHUP');
  send('SIGHUP');
  assert.deepEqual([reloads, signals.stopped.aborted], [2, false]);
});

test('a SIGHUP amid the start is not lost', () => {
  const { signals, send } = bench();
  let reloads = 0;
  send('SIGHUP');
  send('SIGHUP');
  signals.onReload(() => (reloads += 1));
  assert.equal(reloads, 1);
});

test('once stopping, SIGHUP does nothing and is no second signal', () => {
  const { signals, send, forced } = bench();
  let reloads = 0;
  signals.onReload(() => (reloads += 1));
  send('SIGTERM');
  send('SIGHUP');
  assert.deepEqual([reloads, forced], [0, []]);
});

test('that nobody reads any more stops a command, once, and no mirror', () => {
  const command = bench({ endsWithReader: true });
  command.send('SIGPIPE');
  command.send('SIGPIPE');
  assert.deepEqual([command.signals.stopped.aborted, command.signals.isReaderGone, command.forced], [true, true, []]);
  const mirror = bench();
  mirror.send('SIGPIPE');
  assert.deepEqual([mirror.signals.stopped.aborted, mirror.signals.isReaderGone, mirror.forced], [false, false, []]);
});

test('released, the signals have their default again', () => {
  const { signals, isReleased } = bench();
  signals.release();
  assert.ok(isReleased());
});
