/** Asking a mirror under test: one request on a connection of its own, its answer with the body as text and JSON. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { rawRequest, type RawRequestOptions, type RawResponse } from '../support/raw-request.ts';

export interface Answer extends RawResponse {
  readonly text: string;
  /** Undefined where the body is no JSON. */
  readonly json: unknown;
}

export type AskOptions = Omit<RawRequestOptions, 'port' | 'path'>;
/** `path` is the request target exactly as it goes out. */
export type Ask = (path: string, options?: AskOptions) => Promise<Answer>;

/** Asks the server on this port of 127.0.0.1; a missing answer fails the test after 10 s. */
export function createAsk({ port }: { readonly port: number }): Ask {
  return async (path, options = {}) => {
    const response = await rawRequest({ deadlineMs: 10_000, ...options, port, path });
    const text = response.body.toString('utf8');
    return { ...response, text, json: parsed(text) };
  };
}

/** The uuids of a list, in its order. */
export function uuidsOf(answer: Answer): string[] {
  assert.ok(Array.isArray(answer.json), `a list, not ${answer.status} ${answer.text.slice(0, 200)}`);
  return (answer.json as { uuid: string }[]).map(({ uuid }) => uuid);
}

/** The name fields of a list, in its order. */
export function namesOf(answer: Answer): string[] {
  assert.ok(Array.isArray(answer.json), `a list, not ${answer.status} ${answer.text.slice(0, 200)}`);
  return (answer.json as { name: string }[]).map(({ name }) => name);
}

export interface ExpectedError {
  readonly status: number;
  readonly code: string;
  /** Text for the whole message, a pattern for a part of it. */
  readonly message: string | RegExp;
  readonly errors?: readonly object[];
}

/** An IMGAPI error, as the real server writes it: JSON indented by 2, with its length, without a charset. */
export function assertError(answer: Answer, expected: ExpectedError): void {
  const { status, code, message, errors } = expected;
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['content-length'], String(answer.bytes));
  const body = answer.json as { code: string; message: string; errors?: object[] };
  assert.equal(answer.text, JSON.stringify(body, null, 2));
  assert.equal(body.code, code);
  if (typeof message === 'string') assert.equal(body.message, message);
  else assert.match(body.message, message);
  if (errors !== undefined) assert.deepEqual(body.errors, errors);
}

/** What came back for bytes no HTTP library would send. */
export interface RawExchange {
  /** Everything the server sent. */
  readonly text: string;
  /** True if the server closed or reset the connection within the deadline. */
  readonly isClosed: boolean;
  readonly tookMs: number;
}

/** Writes bytes to a socket as they are and reads until the server closes, or the deadline (default 3 s) is over. */
export async function sendBytes(port: number, bytes: string | Buffer, deadlineMs = 3_000): Promise<RawExchange> {
  const startedAt = performance.now();
  const chunks: Buffer[] = [];
  const closed = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A reset is one of the ways a server refuses; `close` follows.
  socket.on('error', () => {});
  socket.on('close', () => closed.resolve(true));
  socket.write(bytes);
  const timer = setTimeout(() => closed.resolve(false), deadlineMs);
  const isClosed = await closed.promise;
  clearTimeout(timer);
  socket.destroy();
  return { text: Buffer.concat(chunks).toString('latin1'), isClosed, tookMs: performance.now() - startedAt };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON is told by the undefined.
    return undefined;
  }
}
