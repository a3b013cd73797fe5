import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions, type OptionSpecs } from '../../../src/cli/parse-options.ts';

const specs: OptionSpecs = {
  config: { type: 'string', value: 'FILE', help: '' },
  port: { type: 'string', help: '' },
  sort: { type: 'string', values: ['size', '-size'], help: '' },
  upstream: { type: 'string', multiple: true, help: '' },
  json: { type: 'boolean', help: '' },
  help: { type: 'boolean', short: 'h', help: '' },
};

function messageOf(...args: string[]): string {
  const result = parseOptions(args, specs);
  return result.ok ? 'ok' : result.message;
}

test('gives texts, lists of texts and switches', () => {
  const result = parseOptions(['--config', 'a', '--upstream=b', '--upstream', 'c=d', '-h'], specs);
  assert.ok(result.ok);
  assert.equal(result.options.text('config'), 'a');
  assert.deepEqual(result.options.texts('upstream'), ['b', 'c=d']);
  assert.equal(result.options.has('help'), true);
  assert.equal(result.options.has('json'), false);
  assert.equal(result.options.text('port'), undefined);
});

test('names the nearest option for an unknown one', () => {
  assert.equal(messageOf('--prot', '80'), 'unknown option --prot; did you mean --port?');
  assert.equal(messageOf('--zzzzzz'), 'unknown option --zzzzzz');
  assert.equal(messageOf('-x'), 'unknown option -x');
  assert.equal(messageOf('--toString'), 'unknown option --toString');
});

test('asks for a value that was forgotten, also when another option stands in its place', () => {
  assert.equal(messageOf('--config'), '--config needs a value, --config FILE');
  assert.equal(messageOf('--config='), '--config needs a value, --config FILE');
  assert.equal(messageOf('--config', '--json'), '--config needs a value; if it is --json, write --config=--json');
  assert.equal(messageOf('--port=-1'), 'ok');
  assert.equal(messageOf('--sort', '-size'), 'ok', 'a value that it is known to take is no option');
  assert.match(messageOf('--sort', '-json'), /needs a value/);
});

test('refuses values for switches, options given twice, and arguments nobody asked for', () => {
  assert.equal(messageOf('--json=yes'), '--json takes no value');
  assert.equal(messageOf('--port', '1', '--port', '2'), '--port is there twice; once would do');
  assert.equal(messageOf('extra'), 'unexpected argument "extra"');
  assert.equal(messageOf('--', '--port'), 'unexpected argument "--port"');
});

test('passes as many arguments as the command takes', () => {
  const result = parseOptions(['a', '--json', 'b'], specs, 2);
  assert.deepEqual(result.ok && result.positionals, ['a', 'b']);
});

test('keeps its message one line that is safe to print', () => {
  assert.equal(messageOf('--a\n\u001B[31m'), 'unknown option --a\\u000a\\u001b[31m');
});
