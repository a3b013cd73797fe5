/** Events as newline-delimited JSON while an operation runs. */
import type { ServerResponse } from 'node:http';

export interface EventLines {
  /** Left out where the client reads too slowly: the next one tells more. */
  event(event: object): void;
  /** The last line. */
  end(line: object): void;
}

/** A line comes at least this often, so that neither side takes a long wait for the other's end. */
const ALIVE_EVERY_MS = 10_000;

/** Sends the head at once. `onSent` is told of all bytes of the body as they go out. */
export function createEventLines(response: ServerResponse, onSent: (bytes: number) => void): EventLines {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  response.flushHeaders();
  const alive = setInterval(() => send({ event: { type: 'alive' } }), ALIVE_EVERY_MS);
  response.once('close', () => clearInterval(alive));
  function send(line: object): void {
    if (!response.writableNeedDrain) write(line);
  }
  function write(line: object): void {
    // `writable` stays true where the client has left.
    if (response.destroyed || response.writableEnded) return;
    const text = `${JSON.stringify(line)}\n`;
    response.write(text);
    onSent(Buffer.byteLength(text));
  }
  return {
    event: (event) => send({ event }),
    end(line) {
      clearInterval(alive);
      write(line);
      response.end();
    },
  };
}
