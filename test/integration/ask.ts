/** Asking a mirror under test: one request on a connection of its own, its answer with the body as text and JSON. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Route, Step } from '../support/image-server.ts';
import type { TestMirror } from '../support/mirror.ts';
import { rawRequest, type RawRequestOptions, type RawResponse } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';

export interface Answer extends RawResponse {
  readonly text: string;
  /** Undefined where the body is no JSON. */
  readonly json: unknown;
}

export type AskOptions = Omit<RawRequestOptions, 'port' | 'path'>;
/** `path` is the request target exactly as it goes out. */
export type Ask = (path: string, options?: AskOptions) => Promise<Answer>;

/** Asks the server on this port of 127.0.0.1; a missing answer fails the test after 30 s. */
export function createAsk({ port }: { readonly port: number }): Ask {
  return async (path, options = {}) => {
    const response = await rawRequest({ deadlineMs: 30_000, ...options, port, path });
    const text = response.body.toString('utf8');
    return { ...response, text, json: parsed(text) };
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** A JSON object's fields; anything else fails the test. */
export function fieldsOf(value: unknown): Fields {
  assert.ok(isFields(value), `an object, not ${JSON.stringify(value)}`);
  return value;
}

/** The uuids of a list, in its order. */
export function uuidsOf(answer: Answer): string[] {
  return entriesOf(answer).map(({ uuid }) => String(uuid));
}

/** The name fields of a list, in its order. */
export function namesOf(answer: Answer): string[] {
  return entriesOf(answer).map(({ name }) => String(name));
}

/** How many answers had each X-Cache. */
export function cachesOf(answers: readonly Pick<RawResponse, 'headers'>[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { headers } of answers) {
    const cache = String(headers['x-cache']);
    counts[cache] = (counts[cache] ?? 0) + 1;
  }
  return counts;
}

/** Holds an image server's answers until everybody has asked, so that no test has to be fast. */
export interface Gate {
  /** For `startImageServer({ steps })`. */
  readonly steps: readonly Step[];
  /** Lets the answers go once the mirror has seen so many requests from now on. Await it beside the requests. */
  readonly openAfter: (mirror: TestMirror, requests: number) => Promise<void>;
}

/** Holds the answers to requests of one route. */
export function createGate(route: Route): Gate {
  const opened = Promise.withResolvers<void>();
  return {
    steps: [
      async ({ request, signal }) => {
        if (request.route === route && !signal.aborted) await Promise.race([opened.promise, once(signal, 'abort')]);
        return false;
      },
    ],
    async openAfter(mirror, requests) {
      let seen = 0;
      mirror.app.server.server.on('request', () => {
        seen += 1;
      });
      await until(() => seen >= requests, { what: `${requests} requests at the mirror` });
      // The last of them has yet to get from its head to its question.
      await sleep(50);
      opened.resolve();
    },
  };
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
  const body = fieldsOf(answer.json);
  assert.equal(answer.text, JSON.stringify(body, null, 2));
  assert.equal(body['code'], code);
  if (typeof message === 'string') assert.equal(body['message'], message);
  else assert.match(String(body['message']), message);
  if (errors !== undefined) assert.deepEqual(body['errors'], errors);
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

/** A list's entries, in its order. */
export function entriesOf({ json, status, text }: Answer): Fields[] {
  assert.ok(Array.isArray(json), `a list, not ${status} ${text.slice(0, 200)}`);
  return json.map(fieldsOf);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON is told by the undefined.
    return undefined;
  }
}
