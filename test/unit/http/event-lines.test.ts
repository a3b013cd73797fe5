import assert from 'node:assert/strict';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { mock, test, type TestContext } from 'node:test';
import { createEventLines, type EventLines } from '../../../src/http/event-lines.ts';

interface Exchange {
  readonly lines: EventLines;
  readonly response: ServerResponse;
  /** The client's side: nobody reads it until `text` is called. */
  readonly received: IncomingMessage;
  readonly text: () => Promise<string>;
}

async function exchange(t: TestContext): Promise<Exchange> {
  const opened = Promise.withResolvers<{ lines: EventLines; response: ServerResponse }>();
  const server = createServer((_request, response) =>
    opened.resolve({ lines: createEventLines(response, () => {}), response }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const received = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent: false }, resolve).on('error', reject).end();
  });
  return {
    ...(await opened.promise),
    received,
    async text() {
      let text = '';
      for await (const part of received.setEncoding('utf8')) text += String(part);
      return text;
    },
  };
}

test('the head goes out at once, then a line for each event, and the result last', async (t) => {
  const { lines, received, text } = await exchange(t);
  assert.equal(received.headers['content-type'], 'application/x-ndjson');
  assert.equal(received.headers['cache-control'], 'no-store');
  lines.event({ type: 'a' });
  lines.event({ type: 'b', note: 'two\nlines' });
  lines.end({ result: { done: true } });
  assert.equal(
    await text(),
    '{"event":{"type":"a"}}\n{"event":{"type":"b","note":"two\\nlines"}}\n{"result":{"done":true}}\n',
  );
});

test('to a client that reads too slowly events are left out, but never the end', async (t) => {
  const { lines, response, text } = await exchange(t);
  const event = { type: 'progress', filler: 'x'.repeat(64 * 1024) };
  for (let sent = 0; sent < 1_000; sent++) lines.event(event);
  assert.ok(response.writableLength < 2 * 1024 * 1024, 'what nobody reads is not kept in memory');
  lines.end({ result: {} });
  const got = (await text()).trimEnd().split('\n');
  assert.ok(got.length < 1_000);
  assert.equal(got.at(-1), '{"result":{}}');
});

test('while nothing happens a sign of life is sent, and none after the end', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.after(() => mock.timers.reset());
  const { lines, text } = await exchange(t);
  mock.timers.tick(25_000);
  lines.end({ result: {} });
  mock.timers.tick(25_000);
  const alive = '{"event":{"type":"alive"}}\n';
  assert.equal(await text(), `${alive}${alive}{"result":{}}\n`);
});

test('a client that has left is not written to', async (t) => {
  const { lines, response, received } = await exchange(t);
  received.on('error', () => undefined).destroy();
  await new Promise((resolve) => response.once('close', resolve));
  lines.event({ type: 'late' });
  lines.end({ result: {} });
});
