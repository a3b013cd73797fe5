import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';

function scrubEvery(text: string): number | string[] {
  const file = { path: 'c.yaml', text: `cache: { scrubEvery: ${text} }` };
  const result = loadConfig({ file, env: {}, flags: {} });
  return result.ok ? result.config.cache.scrubEvery : result.problems.map(formatProblem);
}

test('cache.scrubEvery takes 0, which turns it off, and no other time below its bound', () => {
  assert.equal(scrubEvery('0'), 0);
  assert.equal(scrubEvery('1h'), 3_600_000);
  const [problem] = [scrubEvery('59m')].flat();
  assert.match(String(problem), /at least 1h, at most 3650d, or 0, such as 30d/);
});
