import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors } from 'undici';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { reasonOf, unavailable, UNAVAILABLE_REASONS, wrapTransportError } from '../../../src/upstream/unavailable.ts';

test('the error names the upstream, is a 503, and carries the reason, the status and the cause', () => {
  const cause = new Error('inner');
  const error = unavailable('smartos', 'status', 'GET /images answered 502', { status: 502, cause });
  assert.ok(error instanceof MirrorError);
  assert.deepEqual(
    [error.code, error.statusCode, error.message, error.details, error.cause],
    [
      'UpstreamUnavailable',
      503,
      'upstream smartos: GET /images answered 502',
      { upstream: 'smartos', reason: 'status', status: 502 },
      cause,
    ],
  );
});

test('its reason can be read back; an error of another kind is an answer that cannot be used', () => {
  for (const reason of UNAVAILABLE_REASONS) assert.equal(reasonOf(unavailable('u', reason, 'x')), reason);
  for (const other of [
    new Error('x'),
    new MirrorError('InternalError', 'x', { details: { reason: 'junk' } }),
    7,
    undefined,
  ]) {
    assert.equal(reasonOf(other), 'body');
  }
});

function coded(code: string, message = 'boom'): Error {
  return Object.assign(new Error(message), { code });
}

const CASES: readonly (readonly [string, unknown, string, RegExp])[] = [
  ['no headers in time', new errors.HeadersTimeoutError(), 'timeout', /stallTimeout/],
  ['no bytes in time', new errors.BodyTimeoutError(), 'timeout', /stallTimeout/],
  ['no connection in time', new errors.ConnectTimeoutError(), 'timeout', /connectTimeout/],
  ['a connection that timed out in the kernel', coded('ETIMEDOUT'), 'timeout', /connectTimeout/],
  [
    'a deadline of ours',
    AbortSignal.timeout(0).reason ?? new DOMException('late', 'TimeoutError'),
    'timeout',
    /in time/,
  ],
  ['an abort', new DOMException('aborted', 'AbortError'), 'aborted', /given up/],
  ["undici's own abort", new errors.RequestAbortedError(), 'aborted', /given up/],
  ['a refused connection', coded('ECONNREFUSED', 'connect failed'), 'connect', /connect failed \(ECONNREFUSED\)/],
  ['a name that does not resolve', coded('ENOTFOUND', 'getaddrinfo'), 'connect', /ENOTFOUND/],
  ['a broken certificate', coded('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed'), 'connect', /SELF_SIGNED/],
  ['a closed socket', new errors.SocketError('other side closed'), 'connect', /other side closed$/],
  ['something that is no error', 'text', 'connect', /text/],
];

for (const [what, error, reason, message] of CASES) {
  test(`${what} is "${reason}"`, () => {
    const wrapped = wrapTransportError('up0', error);
    assert.equal(reasonOf(wrapped), reason);
    assert.match(wrapped.message, message);
    assert.match(wrapped.message, /^upstream up0: /);
    assert.equal(wrapped.message.split('\n').length, 1);
    assert.equal(wrapped.cause, error);
  });
}

test('an error that is ours already passes as it is', () => {
  const ours = unavailable('up0', 'body', 'x');
  assert.equal(wrapTransportError('other', ours), ours);
});
