import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingLine, ok, problem, warning } from '../../../src/doctor/finding.ts';

test('lines stand in columns, with what to do at their end', () => {
  assert.equal(findingLine(ok('ping', 'it answers')), 'ok       ping         it answers');
  assert.equal(findingLine(warning('list', 'it is empty', 'see why')), 'warning  list         it is empty -> see why');
  assert.equal(
    findingLine(problem('certificate', 'it is old', 'renew it')),
    'problem  certificate  it is old -> renew it',
  );
});

test('what a server says can neither control a terminal nor fill it', () => {
  const line = findingLine(problem('list', `a\u001b[2Jb\nc\u202e${'x'.repeat(1000)}`, 'nothing'));
  assert.match(line, /a\\u001b\[2Jb\\u000ac\\u202ex{3,}\.\.\. -> nothing$/);
  assert.ok(line.length < 500);
});
