import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSafeLookup, type ResolveAll } from '../../../src/upstream/safe-lookup.ts';

/** Answers every name with these addresses. */
function resolving(...addresses: string[]): ResolveAll {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return (_name, _options, callback) => callback(null, found);
}

async function look(addresses: string[], options: { allow?: string[]; trusted?: string[]; name?: string } = {}) {
  const lookup = createSafeLookup({
    allowAddresses: options.allow ?? [],
    trustedNames: options.trusted ?? [],
    resolve: resolving(...addresses),
  });
  return new Promise<{ code?: string; message?: string; addresses: string[] }>((done) => {
    lookup(options.name ?? 'images.example.com', { all: true }, (error, found) => {
      const all = Array.isArray(found) ? found.map(({ address }) => address) : [];
      done(error === null ? { addresses: all } : { code: error.code ?? '', message: error.message, addresses: [] });
    });
  });
}

for (const address of [
  '127.0.0.1',
  '127.9.9.9',
  '0.0.0.0',
  '169.254.169.254',
  '100.100.100.200',
  '::1',
  'fe80::1',
  'fd00:ec2::254',
  '::ffff:127.0.0.1',
  '::ffff:169.254.169.254',
]) {
  test(`a name that resolves to ${address} is refused, saying what it resolves to`, async () => {
    const found = await look([address]);
    assert.equal(found.code, 'EREFUSEDADDRESS');
    assert.ok(found.message?.includes(address));
  });
}

for (const address of ['192.0.2.1', '10.0.0.7', '192.168.1.1', 'fd12::1', '2001:db8::1']) {
  test(`a name that resolves to ${address} is asked`, async () => {
    assert.deepEqual((await look([address])).addresses, [address]);
  });
}

test('of several addresses only the usable ones are left', async () => {
  assert.deepEqual((await look(['127.0.0.1', '192.0.2.1'])).addresses, ['192.0.2.1']);
});

test('allowAddresses and a localhost that was written in the configuration let loopback through', async () => {
  assert.deepEqual((await look(['127.0.0.1'], { allow: ['127.0.0.0/8'] })).addresses, ['127.0.0.1']);
  assert.deepEqual((await look(['::1'], { name: 'localhost', trusted: ['localhost'] })).addresses, ['::1']);
  assert.equal((await look(['169.254.1.1'], { allow: ['127.0.0.0/8'] })).code, 'EREFUSEDADDRESS');
});
