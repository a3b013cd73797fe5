import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdminAccess, type AdminAccess, type AdminRequest } from '../../../src/http/admin-access.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';

const TOKEN = 'the-configured-token';
const SECRET = 'the-secret-of-this-run';

interface Door {
  readonly access: AdminAccess;
  readonly pass: (ms: number) => void;
  /** The code of the refusal; `in` where there was none. */
  readonly knock: (request?: Partial<AdminRequest>) => string;
}

function door(publicUrl: string | null = null): Door {
  let nowMs = 1_000_000;
  const access = createAdminAccess({ monotonicNow: () => nowMs }, { secret: SECRET, token: TOKEN, publicUrl });
  return {
    access,
    pass: (ms) => void (nowMs += ms),
    knock(request = {}) {
      const plain = { address: '192.0.2.1', authorization: `Bearer ${TOKEN}`, origin: undefined, host: 'mirror:8080' };
      try {
        access.check({ ...plain, ...request });
        return 'in';
      } catch (error) {
        assert(error instanceof MirrorError);
        return error.code;
      }
    },
  };
}

test('any of the tokens lets in, whatever the case of the scheme', () => {
  const { knock } = door();
  for (const authorization of [`Bearer ${TOKEN}`, `Bearer ${SECRET}`, `bearer  ${TOKEN} `])
    assert.equal(knock({ authorization }), 'in', authorization);
});

test('nothing else does', () => {
  const wrong = [undefined, '', 'Bearer', 'Bearer ', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN} x`, TOKEN];
  for (const authorization of wrong) assert.equal(door().knock({ authorization }), 'UnauthorizedError', authorization);
});

test('without any token nobody comes in, not even with an empty one', () => {
  const access = createAdminAccess({ monotonicNow: () => 0 }, { secret: '', token: undefined, publicUrl: null });
  const request = { address: '192.0.2.1', origin: undefined, host: undefined };
  for (const authorization of ['Bearer ', 'Bearer x', undefined])
    assert.throws(() => access.check({ ...request, authorization }), { code: 'UnauthorizedError' });
});

test('no machine is trusted for being this one', () => {
  assert.equal(door().knock({ address: '127.0.0.1', authorization: undefined }), 'UnauthorizedError');
});

test('a page of another origin may not write even with the token; ours may, by whichever name it was reached', () => {
  const { knock } = door('https://mirror.example.com/imgapi');
  assert.equal(knock({ origin: 'http://mirror:8080' }), 'in');
  assert.equal(knock({ origin: 'http://mirror:8080', host: 'MIRROR:8080' }), 'in');
  assert.equal(knock({ origin: 'https://mirror.example.com' }), 'in');
  for (const origin of [
    'null',
    '',
    'http://mirror',
    'http://mirror:8081',
    'https://evil.example.com',
    'http://mirror:8080.evil',
  ])
    assert.equal(knock({ origin }), 'ForbiddenError', origin);
  assert.equal(knock({ origin: 'http://mirror:8080', host: undefined }), 'ForbiddenError');
});

test('ten wrong tokens shut an address out, a right one after them too, and one guess comes back in five seconds', () => {
  const { knock, pass } = door();
  const wrong = { authorization: 'Bearer guess' };
  for (let tries = 0; tries < 10; tries++) assert.equal(knock(wrong), 'UnauthorizedError');
  assert.equal(knock(wrong), 'TooManyRequests');
  assert.equal(knock(), 'TooManyRequests');
  assert.equal(knock({ address: '192.0.2.2' }), 'in', 'others are not made to pay');
  pass(5_000);
  assert.equal(knock(), 'in');
  assert.equal(knock(wrong), 'UnauthorizedError');
  assert.equal(knock(wrong), 'TooManyRequests');
});

test('sixty writes at once are taken, then ten a second', () => {
  const { knock, pass } = door();
  for (let writes = 0; writes < 60; writes++) assert.equal(knock(), 'in');
  assert.equal(knock(), 'TooManyRequests');
  pass(1_000);
  const after = Array.from({ length: 12 }, () => knock());
  assert.equal(after.filter((outcome) => outcome === 'in').length, 10);
});

test('waiting does not save up more than there was at first', () => {
  const { knock, pass } = door();
  pass(3_600_000);
  const outcomes = Array.from({ length: 100 }, () => knock({ authorization: undefined }));
  assert.equal(outcomes.filter((outcome) => outcome === 'UnauthorizedError').length, 10);
});
