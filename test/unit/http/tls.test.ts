import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTls, createSecureServers, type TlsCheck } from '../../../src/http/tls.ts';
import { tlsPair, tlsText, type PairName } from '../../support/tls.ts';

const NOW = Date.parse('2030-01-01');

function check(name: PairName, nowMs = NOW): TlsCheck {
  return checkTls(tlsPair(name), nowMs);
}

test('RSA and ECDSA on the usual curves are what SmartOS speaks', () => {
  assert.deepEqual(check('rsa'), { ok: true, warnings: [] });
  assert.deepEqual(check('ec'), { ok: true, warnings: [] });
});

test('Ed25519 and RSA-PSS keys are refused: no SmartOS host could connect', () => {
  for (const name of ['ed25519', 'rsa-pss'] as const) {
    const message = `SmartOS cannot speak to a server with a key of type ${name}; RSA or ECDSA would do`;
    assert.deepEqual(check(name), { ok: false, wrong: 'keyFile', message });
  }
});

test('a curve SmartOS may not know, and a signature it cannot check, are warnings', () => {
  assert.deepEqual(check('other-curve'), {
    ok: true,
    warnings: ['SmartOS may not know the curve secp256k1 of the key; P-256, P-384 and P-521 work'],
  });
  const signed = checkTls({ cert: tlsText('signed-by-ed25519.cert.pem'), key: tlsPair('rsa').key }, NOW);
  assert.ok(signed.ok);
  assert.match(signed.warnings.join('\n'), /^SmartOS cannot check the certificate's signature \(.*ed25519.*\)/i);
});

test('a key too short to be served with is refused before anyone connects', () => {
  assert.partialDeepStrictEqual(check('short'), { ok: false, wrong: 'certFile' });
});

test('a key that is not the certificate’s is named', () => {
  const crossed = checkTls({ cert: tlsPair('rsa').cert, key: tlsPair('ec').key }, NOW);
  assert.deepEqual(crossed, { ok: false, wrong: 'keyFile', message: 'it is not the key of the certificate' });
});

test('a certificate that is over, or not begun, is a warning with its date', () => {
  const [late, early] = [check('rsa', Date.parse('2200-01-01')), check('rsa', Date.parse('2001-01-01'))];
  assert.ok(late.ok && early.ok);
  assert.match(late.warnings.join('\n'), /^the certificate expired on 21\d\d-/);
  assert.match(early.warnings.join('\n'), /^the certificate is not valid before 20\d\d-/);
});

test('what is no PEM, swapped, or locked is said without showing any of it', () => {
  const { cert, key } = tlsPair('rsa');
  const cases: readonly (readonly [TlsCheck, string, RegExp])[] = [
    [checkTls({ cert: 'hello', key }, NOW), 'certFile', /no certificate that can be read/],
    [checkTls({ cert: '', key }, NOW), 'certFile', /no certificate that can be read/],
    [checkTls({ cert: key, key: cert }, NOW), 'certFile', /no certificate that can be read/],
    [checkTls({ cert, key: 'hello' }, NOW), 'keyFile', /no private key that can be read/],
    [
      checkTls({ cert, key: tlsText('encrypted.key.pem') }, NOW),
      'keyFile',
      /it has a passphrase; one without would do/,
    ],
  ];
  for (const [result, wrong, message] of cases) {
    assert.ok(!result.ok);
    assert.equal(result.wrong, wrong);
    assert.match(result.message, message);
    assert.doesNotMatch(result.message, /hello|BEGIN|MII/);
  }
});

test('it is known until when the certificate in force is valid', () => {
  const secure = createSecureServers(tlsPair('rsa'));
  assert.equal(new Date(secure.expiresAtMs).getUTCFullYear(), 2126);
  secure.update({ cert: tlsText('ends-2100.cert.pem'), key: tlsPair('rsa').key });
  assert.equal(new Date(secure.expiresAtMs).getUTCFullYear(), 2100);
});
