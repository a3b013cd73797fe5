import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { COMMANDS, type Command } from '../../../src/cli/commands.ts';
import { bashCompletion } from '../../../src/cli/completion-bash.ts';
import { zshCompletion } from '../../../src/cli/completion-zsh.ts';
import { runCli } from '../../../src/cli/run.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { fakeIo } from './fake-io.ts';

/** What bash offers where this was typed; the last element is the word that is being typed. */
function offered(words: readonly string[], commands: readonly Command[] = COMMANDS, cwd = '/'): string[] {
  const line = words.map((word) => `'${word}'`).join(' ');
  const script = `${bashCompletion(commands)}
COMP_WORDS=(imgapi-mirror ${line})
COMP_CWORD=${words.length}
_imgapi_mirror
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['--noprofile', '--norc'], {
    input: script,
    cwd,
    encoding: 'utf8',
    timeout: 10_000,
  });
  return out.split('\n').filter((word) => word !== '');
}

test('bash completes commands, those of groups, and of help', () => {
  const first = [...new Set(COMMANDS.map(({ name }) => name.split(' ')[0]))];
  assert.deepEqual(new Set(offered([''])), new Set([...first, 'help', '--help', '--version']));
  assert.deepEqual(offered(['do']), ['doctor']);
  assert.deepEqual(offered(['config', '']), ['check', 'print', '--help']);
  assert.deepEqual(offered(['config', 'p']), ['print']);
  assert.deepEqual(offered(['help', 'se']), ['serve']);
});

test('bash completes every option of every command', () => {
  for (const { name, options } of COMMANDS) {
    const wanted = [...Object.keys(options), 'help'].map((option) => `--${option}`).toSorted();
    assert.deepEqual(offered([...name.split(' '), '--']).toSorted(), wanted, name);
  }
  assert.deepEqual(offered(['serve', '--offline', '--ho']), ['--host']);
});

test('bash completes fixed values, after a space and after "="', () => {
  const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
  assert.deepEqual(offered(['serve', '--log-level', '']), levels);
  assert.deepEqual(offered(['serve', '--log-level', 'd']), ['debug']);
  assert.deepEqual(offered(['config', 'check', '--log-level', '=']), levels);
  assert.deepEqual(offered(['config', 'check', '--log-level', '=', 'w']), ['warn']);
});

test('bash completes files and directories where options name them, blanks included, and nothing it cannot know', async (t) => {
  const cwd = await makeTempDir(t);
  await mkdir(path.join(cwd, 'a folder'));
  await writeFile(path.join(cwd, 'a file.yaml'), '');
  assert.deepEqual(offered(['serve', '--config', 'a'], COMMANDS, cwd).toSorted(), ['a file.yaml', 'a folder']);
  assert.deepEqual(offered(['serve', '--cache-dir', 'a'], COMMANDS, cwd), ['a folder']);
  assert.deepEqual(offered(['serve', '--port', ''], COMMANDS, cwd), []);
});

test('bash completes files where a command takes them, and options there too once a dash is typed', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'monday.bundle'), '');
  const [serve] = COMMANDS;
  assert.ok(serve);
  const command = { ...serve, name: 'verify', positionals: { usage: 'BUNDLE', min: 1, max: 1 } };
  assert.deepEqual(offered(['verify', ''], [command], cwd), ['monday.bundle']);
  assert.deepEqual(offered(['verify', '--of'], [command], cwd), ['--offline']);
  assert.match(zshCompletion([command]), /'\*:argument:_files'/);
  const selecting = { ...command, positionals: { usage: '[SELECTOR...]', min: 0, max: 9 } };
  assert.match(zshCompletion([selecting]), /'\*:argument: '/);
  assert.doesNotMatch(zshCompletion([serve]), /:argument:/);
});

test('bash takes a short option for what it is', () => {
  const output = { type: 'string', short: 'o', value: 'WORD', values: ['one', 'two'], help: 'x' } as const;
  const [serve] = COMMANDS;
  assert.ok(serve);
  const command = { ...serve, name: 'export', options: { output } };
  assert.deepEqual(offered(['export', '-o', 't'], [command]), ['two']);
});

test('zsh’s script names every command, option and fixed value, with brackets and colons escaped', () => {
  const text = zshCompletion(COMMANDS);
  assert.match(text, /^#compdef imgapi-mirror\n/);
  for (const { name, options } of COMMANDS) {
    assert.ok(text.includes(`    '${name}')\n`), name);
    for (const option of Object.keys(options)) assert.match(text, new RegExp(`'\\*?--${option}[=[]`), option);
  }
  assert.match(text, /'--log-level=\[.*\]:LEVEL:\(fatal error warn info debug trace silent\)'/);
  const [serve] = COMMANDS;
  assert.ok(serve);
  const odd = { ...serve, options: { odd: { type: 'string', value: 'A:B', help: `it's [a]: b` } } } as const;
  assert.ok(zshCompletion([odd]).includes(String.raw`'--odd=[it'\''s \[a\]\: b]:A\:B: '`));
});

test('both are commands', async () => {
  for (const [shell, script] of [
    ['bash', bashCompletion(COMMANDS)],
    ['zsh', zshCompletion(COMMANDS)],
  ] as const) {
    const fake = fakeIo(['completion', shell]);
    assert.equal(await runCli(fake.io), 0);
    assert.equal(fake.out(), script);
  }
});
