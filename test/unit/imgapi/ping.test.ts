import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pingBody, pingError } from '../../../src/imgapi/ping.ts';

test('pings as imgadm wants it, with a truthy imgapi', () => {
  assert.deepEqual(pingBody('imgapi-mirror/1.2.3'), { ping: 'pong', version: 'imgapi-mirror/1.2.3', imgapi: true });
});

test('answers ?error=ValidationFailed with the sample, with or without Error at its end', () => {
  const answer = { statusCode: 422, body: { code: 'ValidationFailed', message: 'boom', errors: [] } };
  assert.deepEqual(pingError('ValidationFailed'), answer);
  assert.deepEqual(pingError('ValidationFailedError'), answer);
});

test('answers ?error= with InternalError', () => {
  assert.deepEqual(pingError(''), { statusCode: 500, body: { code: 'InternalError', message: 'boom' } });
});

test('answers an unknown name with InvalidParameter', () => {
  assert.deepEqual(pingError('bogus'), {
    statusCode: 422,
    body: {
      code: 'InvalidParameter',
      message: 'unknown error: bogusError',
      errors: [{ field: 'error', code: 'Missing' }],
    },
  });
  assert.equal(pingError('constructor').statusCode, 422);
});

test('answers the other samples with their own status', () => {
  assert.equal(pingError('OperatorOnly').statusCode, 403);
  assert.equal(pingError('ImageUuidAlreadyExists').statusCode, 409);
  assert.equal(pingError('StorageIsDown').statusCode, 503);
  assert.equal(pingError('RemoteSource').body.code, 'RemoteSourceError');
});

test('answers a known error without a sample with 500, as the real server does', () => {
  assert.deepEqual(pingError('ResourceNotFound'), {
    statusCode: 500,
    body: { code: 'InternalError', message: 'do not have a sample "ResourceNotFoundError" error' },
  });
});
