import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { DRY_RUN_OPTION, MIRROR_OPTIONS } from '../../../src/cli/flags.ts';
import { EXIT, type CommandIo } from '../../../src/cli/io.ts';
import { parseOptions, type OptionValues } from '../../../src/cli/parse-options.ts';
import { warn, withMirror, withMirrorOrNew, type MirrorHandle } from '../../../src/cli/with-mirror.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { openDataDir } from '../../../src/records/data-dir.ts';
import { makeCacheDir } from '../../support/cache-dir.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { fakeIo, type FakeIo } from './fake-io.ts';

function optionsOf(...args: readonly string[]): OptionValues {
  const parsed = parseOptions(args, { ...MIRROR_OPTIONS, ...DRY_RUN_OPTION });
  assert(parsed.ok);
  return parsed.options;
}

/** A mirror that answers every request with `{}` as the result of an operation. */
async function fakeMirror(t: TestContext): Promise<{ readonly url: string; readonly tokens: readonly unknown[] }> {
  const tokens: unknown[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    request.resume();
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end('{"result":{}}\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, tokens };
}

/** A directory that another process holds, and what it says of itself. */
async function heldDirectory(t: TestContext, address: string | undefined): Promise<string> {
  const dir = path.join(await makeTempDir(t), 'cache');
  const held = await openDataDir({ log: createCaptureLog() }, { dir, pid: 4711 });
  t.after(async () => held.close());
  if (address !== undefined) await held.writeServing({ address, pid: 4711, secret: 'secret-of-that-run' });
  return dir;
}

const refresh = async (mirror: MirrorHandle): Promise<number> => {
  await mirror.run('refresh', {});
  return EXIT.done;
};

const fail = (error: Error) => async (): Promise<number> => {
  throw error;
};

async function failing(error: Error, ...args: readonly string[]): Promise<FakeIo & { readonly code: number }> {
  const fake = fakeIo([]);
  const options = optionsOf('--mirror', 'http://mirror.example.com', '--token', 'x', ...args);
  const code = await withMirror(options, fake.io, fail(error));
  return { ...fake, code };
}

test('the mirror that is named is asked, with the token that is given or configured', async (t) => {
  const { url, tokens } = await fakeMirror(t);
  const env = { IMGAPI_MIRROR_ADMIN_TOKEN: 'a-configured-token' };
  assert.equal(await withMirror(optionsOf('--mirror', url, '--token', 'given'), fakeIo([], { env }).io, refresh), 0);
  assert.equal(await withMirror(optionsOf('--mirror', url), fakeIo([], { env }).io, refresh), 0);
  assert.equal(await withMirror(optionsOf('--mirror', url), fakeIo([]).io, refresh), 0);
  assert.deepEqual(tokens, ['Bearer given', 'Bearer a-configured-token', undefined]);
});

test('a token file that cannot be read is a mistake in the configuration', async (t) => {
  const { url } = await fakeMirror(t);
  const fake = fakeIo([], { env: { IMGAPI_MIRROR_ADMIN_TOKEN_FILE: '/nowhere/token' } });
  assert.equal(await withMirror(optionsOf('--mirror', url), fake.io, refresh), EXIT.usage);
  assert.match(fake.err(), /admin\.tokenFile: cannot read/);
});

test('a name that is no URL is a wrong use, and nothing is asked', async () => {
  for (const url of ['mirror:8080', 'mirror', 'ftp://mirror', '/var/cache']) {
    const fake = fakeIo([]);
    assert.equal(await withMirror(optionsOf('--mirror', url), fake.io, refresh), EXIT.usage, url);
    assert.match(fake.err(), /^imgapi-mirror: --mirror needs a URL such as /);
  }
});

test('the mirror that runs on the directory is asked, with the secret of its run', async (t) => {
  const { url, tokens } = await fakeMirror(t);
  const dir = await heldDirectory(t, url);
  const fake = fakeIo([]);
  let asked: string | undefined;
  const code = await withMirror(optionsOf('--cache-dir', dir), fake.io, async (mirror) => {
    asked = mirror.url;
    return refresh(mirror);
  });
  assert.equal(code, 0, fake.err());
  assert.deepEqual([asked, tokens], [url, ['Bearer secret-of-that-run']]);
});

test('whoever holds the directory without serving is waited for, and named; Ctrl-C ends the wait', async (t) => {
  const dir = await heldDirectory(t, undefined);
  const fake = fakeIo([]);
  const io: CommandIo = {
    ...fake.io,
    onSignal(handler) {
      setTimeout(() => handler('SIGINT'), 100);
      return () => undefined;
    },
  };
  assert.equal(await withMirror(optionsOf('--cache-dir', dir), io, refresh), EXIT.failed);
  assert.equal(fake.err(), 'imgapi-mirror: interrupted\n');
  const left = fakeIo([]);
  assert.equal(await withMirror(optionsOf('--cache-dir', dir, '--json'), left.io, refresh), EXIT.failed);
  assert.match(
    left.out(),
    /^\{"error":\{"code":"StorageFailed","message":"cache directory .* in use by process 4711"\}\}\n$/,
  );
});

test('without a mirror the command works on the directory itself, and gives it up after', async (t) => {
  const dir = path.join(await makeTempDir(t), 'cache');
  await makeCacheDir(dir);
  const env = { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0' };
  for (const round of [1, 2]) {
    const fake = fakeIo([], { env });
    const code = await withMirror(optionsOf('--cache-dir', dir, '--offline'), fake.io, async (mirror) => {
      assert.equal(mirror.url, undefined);
      const { storage, offline } = await mirror.run('status', {});
      assert.deepEqual([storage.blobs, offline], [0, true]);
      return EXIT.done;
    });
    assert.equal(code, 0, `round ${round}: ${fake.err()}`);
  }
});

test('where there is no cache nothing is made, nor in a directory of something else, but by what brings images', async (t) => {
  const cwd = await makeTempDir(t);
  const env = { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0' };
  await mkdir(path.join(cwd, 'else'));
  await writeFile(path.join(cwd, 'file'), '');
  const before = ['else', 'file'];
  const NONE =
    'there is no cache directory at %: correct --cache-dir .*--mirror URL; serve, prefetch and import make one';
  for (const [name, message] of [
    ['mistyped', `${NONE}$`],
    ['else', '% is no cache of a mirror \\(it has no VERSION\\): correct --cache-dir .*--mirror URL'],
    ['file', 'cache directory % cannot be used: EEXIST at % \\(something that is no directory has its name\\)$'],
    ['file/below', 'cache directory % cannot be used: ENOTDIR at '],
  ] as const) {
    const dir = path.join(cwd, name);
    const fake = fakeIo([], { env });
    const code = await withMirror(optionsOf('--cache-dir', dir), fake.io, async () => assert.fail('no mirror'));
    assert.equal(code, EXIT.failed);
    assert.match(fake.err().trimEnd(), new RegExp(`^imgapi-mirror: ${message.replaceAll('%', dir)}`));
    assert.deepEqual((await readdir(cwd, { recursive: true })).toSorted(), before);
  }
  for (const dir of ['mistyped/below', 'else']) {
    const fake = fakeIo([], { env });
    const options = optionsOf('--cache-dir', path.join(cwd, dir), '--offline', '--dry-run');
    const code = await withMirrorOrNew(options, fake.io, async (mirror) => {
      await mirror.run('status', {});
      return EXIT.done;
    });
    assert.deepEqual([code, fake.err()], [EXIT.done, '']);
    assert.deepEqual((await readdir(cwd, { recursive: true })).toSorted(), before, 'a dry run leaves nothing behind');
  }
  const made = await withMirrorOrNew(
    optionsOf('--cache-dir', path.join(cwd, 'mistyped'), '--offline'),
    fakeIo([], { env }).io,
    async () => EXIT.done,
  );
  assert.equal(made, EXIT.done);
  assert.ok((await readdir(cwd)).includes('mistyped'));
});

/** What import finds before it needs a mirror. */
const first = async (): Promise<void> => {
  throw new MirrorError('ValidationFailed', 'no such bundle');
};

test('what is wrong without a mirror too is found before one is made, and asked of none that runs', async (t) => {
  const dir = path.join(await makeTempDir(t), 'cache');
  const fake = fakeIo([]);
  assert.equal(await withMirrorOrNew(optionsOf('--cache-dir', dir), fake.io, refresh, first), EXIT.usage);
  assert.equal(fake.err(), 'imgapi-mirror: no such bundle\n');
  assert.deepEqual(await readdir(path.dirname(dir)), []);
  const { url } = await fakeMirror(t);
  assert.equal(await withMirrorOrNew(optionsOf('--mirror', url), fakeIo([]).io, refresh, first), EXIT.done);
});

test('who has left before the end of the output is not told of an interruption', async (t) => {
  const dir = await heldDirectory(t, undefined);
  const fake = fakeIo([]);
  const io: CommandIo = {
    ...fake.io,
    onSignal(handler) {
      setTimeout(() => handler('SIGPIPE'), 100);
      return () => undefined;
    },
  };
  assert.equal(await withMirror(optionsOf('--cache-dir', dir), io, refresh), EXIT.readerGone);
  assert.equal(fake.err(), '');
});

test('a directory that cannot be used is said so, in JSON too', async (t) => {
  const cwd = await makeTempDir(t);
  await mkdir(path.join(cwd, 'cache'));
  await writeFile(path.join(cwd, 'cache', 'VERSION'), '99\n');
  for (const args of [[], ['--json']]) {
    const fake = fakeIo([], { cwd });
    const code = await withMirror(optionsOf('--cache-dir', 'cache', '--offline', ...args), fake.io, refresh);
    assert.equal(code, EXIT.failed);
    assert.match(args.length === 0 ? fake.err() : fake.out(), /format \\?"99/);
  }
});

test('a mistake in what was typed is 2, every other failure 1', async () => {
  for (const code of ['ValidationFailed', 'InvalidParameter'] as const)
    assert.equal((await failing(new MirrorError(code, 'no'))).code, EXIT.usage);
  for (const code of ['NothingSelected', 'UnauthorizedError', 'ResourceNotFound', 'Offline', 'BundleRefused'] as const)
    assert.equal((await failing(new MirrorError(code, 'no'))).code, EXIT.failed);
});

test('an error is told a line for each of its lines, without anything that moves the cursor; with --json as it is', async () => {
  const error = new MirrorError('NothingSelected', 'one\ntwo\u001B[2J', { errors: [{ field: 'a', code: 'Invalid' }] });
  const plain = await failing(error);
  assert.match(plain.err(), /^imgapi-mirror: one\nimgapi-mirror: two.*\[2J\n$/);
  assert.ok(!plain.err().includes('\u001B'));
  const json = await failing(error, '--json');
  assert.deepEqual(JSON.parse(json.out()), { error: error.toBody() });
  assert.equal(json.err(), '');
});

test('what nobody foresaw is no refusal: it is thrown', async () => {
  await assert.rejects(failing(new TypeError('a bug')), /a bug/);
});

test('warnings go to standard error, escaped', () => {
  const fake = fakeIo([]);
  warn(fake.io, ['one', 'two\u0007']);
  assert.match(fake.err(), /^warning: one\nwarning: two.+\n$/);
  assert.ok(!fake.err().includes('\u0007'));
  assert.equal(fake.out(), '');
});
