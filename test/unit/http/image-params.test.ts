import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelParam, imageUuid, indexParam } from '../../../src/http/image-params.ts';

const UUID = '11111111-1111-4111-8111-111111111111';

test('a lower-case uuid is taken, also one without a valid version digit', () => {
  for (const uuid of [UUID, '07f360fd-12d5-e624-0279-eb8a15b630f6']) assert.equal(imageUuid(uuid, '/x'), uuid);
});

test('anything else is 404 as the real server says it, with the url as it came', () => {
  for (const value of [UUID.toUpperCase().replace('1', 'A'), 'junk', '', `${UUID}x`, `${UUID}\n`, '..']) {
    assert.throws(() => imageUuid(value, '/images/junk?x=1'), {
      code: 'ResourceNotFound',
      statusCode: 404,
      message: '/images/junk?x=1 does not exist',
    });
  }
});

test('a channel is passed on as it is; an empty one is none; two are refused', () => {
  assert.equal(channelParam({}), undefined);
  assert.equal(channelParam({ channel: '' }), undefined);
  assert.equal(channelParam({ channel: 'dev' }), 'dev');
  assert.equal(channelParam({ channel: '*' }), '*');
  assert.throws(() => channelParam({ channel: ['a', 'b'] }), { code: 'InvalidParameter', statusCode: 422 });
});

test('an index is a plain number of at most four digits, 0 by default', () => {
  assert.equal(indexParam({}), 0);
  assert.equal(indexParam({ index: '' }), 0);
  assert.equal(indexParam({ index: '7' }), 7);
  assert.equal(indexParam({ index: '0012' }), 12);
  for (const index of ['-1', '1.5', 'x', '0x1', '99999', ' 1', '1e2', ['0', '1']]) {
    assert.throws(
      () => indexParam({ index }),
      { code: 'InvalidParameter', message: /^invalid index: / },
      String(index),
    );
  }
});
