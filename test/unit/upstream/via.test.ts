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

test('a mirror’s request is told from a client’s and from a proxy’s', () => {
  const via = createVia();
  assert.ok(via.isMirrors(createVia().headerFor('smartos')));
  assert.ok(via.isMirrors(`1.1 proxy, ${createVia().answerHeader()}`));
  for (const header of [undefined, '', '1.1 proxy (squid)', '1.1 imgapi-mirror']) assert.ok(!via.isMirrors(header));
});

test('an upstream leads back where its answers come through us, however many mirrors are between', () => {
  const [first, second, third] = [createVia('a'), createVia('b'), createVia('c')];
  // first asks second, second asks third, third asks first; each tells what it has learned so far.
  const round = (): void => {
    first.learn('second', second.answerHeader());
    second.learn('third', third.answerHeader());
    third.learn('first', first.answerHeader());
  };
  assert.ok(!first.leadsBack('second'));
  for (let rounds = 0; rounds < 3; rounds++) round();
  assert.deepEqual(
    [first.leadsBack('second'), second.leadsBack('third'), third.leadsBack('first')],
    [true, true, true],
  );
  // The third one is restarted with another upstream: within a round for each mirror nobody is held for a loop any more.
  const other = createVia('d');
  second.learn('third', other.answerHeader());
  first.learn('second', second.answerHeader());
  assert.deepEqual([first.leadsBack('second'), second.leadsBack('third')], [false, false]);
});

test('a chain is no loop, and an upstream that says nothing leads nowhere', () => {
  const [first, second] = [createVia('a'), createVia('b')];
  second.learn('smartos', undefined);
  first.learn('second', second.answerHeader());
  assert.ok(!first.leadsBack('second') && !second.leadsBack('smartos'));
  assert.equal(first.answerHeader(), '1.1 imgapi-mirror-a, 1.1 imgapi-mirror-b');
  first.learn('second', undefined);
  assert.equal(first.answerHeader(), '1.1 imgapi-mirror-a');
});

function many(name: string): string {
  return Array.from({ length: 100 }, (_, at) => `1.1 imgapi-mirror-${name}${at}`).join(', ');
}

test('what is passed on has an end, the nearest first', () => {
  const via = createVia('me');
  via.learn('one', many('x'));
  via.learn('two', many('y'));
  const ids = via.answerHeader().split(', ');
  assert.equal(ids.length, 32);
  assert.deepEqual(
    ids.slice(0, 4),
    ['me', 'x0', 'y0', 'x1'].map((id) => `1.1 imgapi-mirror-${id}`),
  );
});
