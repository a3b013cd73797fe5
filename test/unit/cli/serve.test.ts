import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { CommandIo, Signal } from '../../../src/cli/io.ts';
import { serve } from '../../../src/cli/serve.ts';
import { defaultConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/wait-for.ts';
import { fakeIo } from './fake-io.ts';

interface Bench {
  readonly io: CommandIo;
  readonly out: () => string;
  readonly err: () => string;
  readonly config: Config;
  readonly dir: string;
  /** Codes the process was told to end with at once. */
  readonly forced: number[];
  /** Sends a signal to whoever listens. */
  readonly signal: (name: Signal) => void;
  readonly listeners: () => number;
}

/** A mirror without a log, on a port of its own, whose one upstream refuses connections. */
async function bench(t: TestContext, listen: Partial<Config['listen']> = {}): Promise<Bench> {
  const dir = path.join(await makeTempDir(t), 'cache');
  const defaults = defaultConfig();
  const [upstream] = defaults.upstreams;
  assert.ok(upstream);
  const config: Config = {
    ...defaults,
    listen: { ...defaults.listen, host: '127.0.0.1', port: 0, ...listen },
    upstreams: [{ ...upstream, name: 'nobody', url: 'http://127.0.0.1:1', proxy: 'none' }],
    cache: { ...defaults.cache, dir, minFreeBytes: 0 },
    log: { ...defaults.log, level: 'silent' },
  };
  const fake = fakeIo([], { cwd: dir });
  const handlers = new Set<(name: Signal) => void>();
  const forced: number[] = [];
  const io: CommandIo = {
    ...fake.io,
    pid: process.pid,
    onSignal(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    forceExit: (code) => void forced.push(code),
  };
  const signal = (name: Signal): void => {
    for (const handler of handlers) handler(name);
  };
  // A test that failed must not leave its mirror running.
  t.after(() => signal('SIGTERM'));
  return {
    out: () => fake.out(),
    err: () => fake.err(),
    io,
    config,
    dir,
    forced,
    signal,
    listeners: () => handlers.size,
  };
}

test('it serves until a signal, tells where, and leaves nothing behind', async (t) => {
  const { io, config, dir, err, out, signal, listeners } = await bench(t);
  const running = serve(config, io);
  const told = await until(() => /imgadm sources -a (\S+)/.exec(err())?.[1]);
  await until(() => /no answer from upstream nobody/.test(err()));
  assert.equal((await fetch(`${told}/ping`)).status, 200);
  const serving: unknown = JSON.parse(readFileSync(path.join(dir, 'serving.json'), 'utf8'));
  assert.partialDeepStrictEqual(serving, { pid: process.pid, address: told });
  signal('SIGTERM');
  assert.equal(await running, 0);
  await assert.rejects(fetch(`${told}/ping`));
  assert.deepEqual([existsSync(path.join(dir, 'serving.json')), listeners(), out()], [false, 0, '']);
});

test('a signal is taken from the moment it says that it listens', async (t) => {
  // A supervisor may stop it right after that line; without a handler the process would die of the signal, undrained.
  const { io, config, err, signal, listeners } = await bench(t);
  const heard: number[] = [];
  const stderr = {
    ...io.stderr,
    write(text: string) {
      io.stderr.write(text);
      if (text.includes('imgadm sources -a')) heard.push(listeners());
    },
  };
  const running = serve(config, { ...io, stderr });
  await until(() => /imgadm sources -a/.test(err()));
  // Stopped first, so that a failure of what is asserted below leaves nothing running.
  await until(() => listeners() === 1);
  signal('SIGTERM');
  assert.equal(await running, 0);
  assert.deepEqual(heard, [1]);
});

test('a second signal ends the process at once', async (t) => {
  const { io, config, err, signal, forced } = await bench(t);
  const running = serve(config, io);
  await until(() => /imgadm sources -a/.test(err()));
  signal('SIGINT');
  assert.deepEqual(forced, []);
  signal('SIGINT');
  assert.deepEqual(forced, [1]);
  await running;
});

test('a port in use is one line and exit code 1, and the directory is free again', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.after(() => holder.close());
  const address = holder.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { io, config, err } = await bench(t, { port: address.port });
  for (let times = 1; times <= 2; times++) {
    assert.equal(await serve(config, io), 1);
    const lines = err().trimEnd().split('\n');
    assert.equal(lines.length, times);
    assert.match(
      lines.at(-1) ?? '',
      /^imgapi-mirror: cannot listen on 127\.0\.0\.1:\d+: the port is in use; choose another with --port$/,
    );
  }
});

test('an address this machine has not is one line and exit code 1', async (t) => {
  const { io, config, err } = await bench(t, { host: '192.0.2.1' });
  assert.equal(await serve(config, io), 1);
  assert.match(
    err(),
    /^imgapi-mirror: cannot listen on 192\.0\.2\.1:0: this machine has no such address; choose another with --host\n$/,
  );
});

test('the public URL is what a person is told to use', async (t) => {
  const { io, config, err, signal } = await bench(t, { publicUrl: 'https://mirror.example.com/' });
  const running = serve(config, io);
  await until(() => /imgadm sources -a https:\/\/mirror\.example\.com\/?\n/.test(err()));
  signal('SIGTERM');
  assert.equal(await running, 0);
});

test('a cache directory that is a file is one line and exit code 1', async (t) => {
  const { io, config, dir, err } = await bench(t);
  await writeFile(dir, 'in the way');
  assert.equal(await serve(config, io), 1);
  assert.match(err(), /^imgapi-mirror: cache directory \S+ cannot be used: E\w+ at \S+ \(.+\)\n$/);
});

test('a certificate authority that cannot be read is a problem of the configuration: exit code 2', async (t) => {
  const { io, config, err } = await bench(t);
  const [upstream] = config.upstreams;
  assert.ok(upstream);
  assert.equal(await serve({ ...config, upstreams: [{ ...upstream, caFile: 'missing.pem' }] }, io), 2);
  assert.match(err(), /^upstreams\[0\]\.caFile: cannot read "missing\.pem"/);
});
