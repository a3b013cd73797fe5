import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { runCli } from '../../../src/cli/run.ts';
import { PRODUCT } from '../../../src/config/product.ts';
import { fakeIo } from './fake-io.ts';

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const fake = fakeIo(args);
  const code = await runCli(fake.io);
  return { code, out: fake.out(), err: fake.err() };
}

test('shows what there is to type when nothing was typed, as a mistake', async () => {
  const { code, out, err } = await run();
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /serve {2}.*\n.*config check.*\n.*config print/);
});

test('shows the same on request, as an answer', async () => {
  const [asked, helped] = [await run('--help'), await run('help')];
  assert.equal(asked.code, 0);
  assert.equal(asked.err, '');
  assert.equal(asked.out, helped.out);
});

test('says its version', async () => {
  assert.match(PRODUCT.version, /^\d+\.\d+\.\d+/);
  assert.deepEqual(await run('--version'), { code: 0, out: `imgapi-mirror ${PRODUCT.version}\n`, err: '' });
});

test('has help with an example for every command, in both spellings', async () => {
  for (const { name } of COMMANDS) {
    const words = name.split(' ');
    const [flag, command] = [await run(...words, '--help'), await run('help', ...words)];
    assert.equal(flag.code, 0);
    assert.equal(flag.out, command.out);
    assert.match(flag.out, new RegExp(`^Usage: imgapi-mirror ${name} [^]*\nExample: .*imgapi-mirror ${name}`));
  }
});

test('gives help even where the rest of the line is wrong', async () => {
  assert.equal((await run('serve', '--nonsense', '-h')).code, 0);
});

test('names the nearest command for an unknown one', async () => {
  assert.match((await run('sreve')).err, /^imgapi-mirror: unknown command "sreve"; did you mean serve\? .*\n$/);
  assert.match((await run('config', 'chekc')).err, /unknown command "config chekc"; did you mean config check\?/);
  assert.match((await run('help', 'prnt')).err, /unknown command "prnt"; known: serve, config check, config print/);
  assert.equal((await run('sreve')).code, 2);
});

test('shows the commands of a group that was typed alone', async () => {
  const { code, err } = await run('config');
  assert.equal(code, 2);
  assert.match(err, /config check/);
  assert.doesNotMatch(err, /Run the mirror/);
  assert.equal((await run('help', 'config')).code, 0);
  assert.equal((await run('config', '--help')).code, 0);
});

test('refuses options before the command, and wrong options, in one line', async () => {
  assert.match((await run('--port', '80', 'serve')).err, /^imgapi-mirror: the command comes first[^\n]*\n$/);
  const { code, err } = await run('serve', '--prot', '80');
  assert.equal(code, 2);
  assert.equal(err, 'imgapi-mirror: unknown option --prot; did you mean --port? (imgapi-mirror serve --help)\n');
});

test('refuses a selector that was typed without its quotes, before it means all images', async () => {
  for (const bare of ['latest=2', 'with-origins', 'latest=2 with-origins']) {
    const { code, err } = await run('prefetch', 'name=base', bare);
    assert.equal(code, 2);
    assert.match(
      err,
      new RegExp(`^imgapi-mirror: "${bare}" is a selector of its own here, of all images; .*'name=base ${bare}'`),
    );
  }
});

test('does not serve with a configuration that has problems', async () => {
  const { code, err } = await run('serve', '--port', 'http', '--log-level', 'loud');
  assert.equal(code, 2);
  assert.deepEqual(err.split('\n'), [
    '--port: listen.port: found "http"; a whole number from 0 to 65535 would do',
    '--log-level: log.level: found "loud"; one of fatal, error, warn, info, debug, trace, silent would do',
    '',
  ]);
});
