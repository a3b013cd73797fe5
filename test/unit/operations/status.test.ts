import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageUuid, Sha1Hex } from '../../../src/imgapi/ids.ts';
import { describeDownloads } from '../../../src/operations/downloads.ts';
import { createStatus, type StatusResult } from '../../../src/operations/status.ts';
import { sha1Of } from '../../support/manifest-of.ts';
import { NO_CONTEXT } from './known.ts';

test('the status is read anew every time', async () => {
  let reads = 0;
  const status = createStatus(async () => ({ version: `0.0.${(reads += 1)}` }) as StatusResult);
  assert.equal((await status.run({}, NO_CONTEXT)).version, '0.0.1');
  assert.equal((await status.run({}, NO_CONTEXT)).version, '0.0.2');
});

test('a running download is described as it stands now', () => {
  const sha1 = sha1Of('one') as Sha1Hex;
  const running = [{ wanted: { sha1, size: 10 }, written: 4, followers: 2, priority: 'demand' as const }];
  const downloads = { running } as unknown as Parameters<typeof describeDownloads>[0];
  assert.deepEqual(describeDownloads(downloads), [{ sha1, size: 10, received: 4, followers: 2, priority: 'demand' }]);
});
