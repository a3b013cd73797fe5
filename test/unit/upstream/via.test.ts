import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVia } from '../../../src/upstream/via.ts';

test('a request that comes back is known, with the upstream it went through', () => {
  const via = createVia();
  const headers = ['smartos', 'localhost:8080', 'a b'].map((name) => via.headerFor(name));
  assert.deepEqual(
    headers.map((header) => via.upstreamIn(header)),
    ['smartos', 'localhost:8080', 'a b'],
  );
  for (const header of headers) assert.match(header, /^1\.1 [!#$%&'*+.^_`|~\w-]+$/, 'a token');
});

test('it is found among what proxies on the way have added, in one header or several', () => {
  const via = createVia();
  const ours = via.headerFor('smartos');
  assert.equal(via.upstreamIn(`1.0 fred, ${ours} (a comment),HTTP/1.1 proxy.test:3128`), 'smartos');
  assert.equal(via.upstreamIn(['1.1 proxy', ours]), 'smartos');
});

test('no mark, another mirror’s and another run’s are none of ours', () => {
  const [via, other] = [createVia(), createVia()];
  via.headerFor('smartos');
  for (const header of [undefined, '', '1.1 imgapi-mirror', ',,,', '1.1', other.headerFor('smartos')]) {
    assert.equal(via.upstreamIn(header), undefined, String(header));
  }
});

test('a name with a port makes a token all the same, and one of its own', () => {
  const via = createVia('0123456789abcdef');
  assert.equal(via.headerFor('host:80'), '1.1 imgapi-mirror-0123456789abcdef-host~80');
});
