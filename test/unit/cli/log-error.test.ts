import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logError } from '../../../src/cli/log-error.ts';
import { createLogger } from '../../../src/cli/logger.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { fieldsOf } from '../../integration/ask.ts';
import { wrapTransportError } from '../../../src/upstream/unavailable.ts';

async function written(error: unknown): Promise<Readonly<Record<string, unknown>>> {
  let out = '';
  const stdout = { isTerminal: false, write: (text: string) => void (out += text) };
  const { log } = await createLogger({ level: 'info', format: 'json' }, stdout);
  log.warn({ err: error }, 'attempt to download failed');
  const line: unknown = JSON.parse(out);
  return fieldsOf(fieldsOf(line)['err']);
}

test('an error that was thrown on purpose is written with its evidence, once, and without a stack', async () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
  assert.deepEqual(await written(wrapTransportError('up', cause)), {
    type: 'MirrorError',
    code: 'UpstreamUnavailable',
    message: 'upstream up: connect ECONNREFUSED 127.0.0.1:1',
    details: { upstream: 'up', reason: 'connect' },
  });
});

test('what its causes add is said behind it', async () => {
  const disk = new Error('ENOSPC: no space left on device');
  const storage = new MirrorError('StorageFailed', 'a file could not be stored', { cause: disk });
  const failed = new MirrorError('DownloadFailed', 'the download failed', { cause: storage });
  assert.equal((await written(failed))['cause'], 'a file could not be stored: ENOSPC: no space left on device');
});

test('an abort is no fault; a bug has its stack', async () => {
  const abort = await written(AbortSignal.abort().reason);
  assert.deepEqual(Object.keys(abort), ['type', 'message']);
  assert.match(String((await written(new TypeError('a bug')))['stack']), /log-error\.test/);
});

test('what is no error is left as it is', () => {
  assert.equal(logError('text'), 'text');
});
