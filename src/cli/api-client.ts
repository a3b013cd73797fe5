/** Runs verbs at a mirror over its API. */
import { Agent, request as send, type Dispatcher } from 'undici';
import { StringDecoder } from 'node:string_decoder';
import { isJsonObject, parseJson } from '../blobs/json-file.ts';
import { PRODUCT } from '../config/product.ts';
import { ERROR_STATUS, MirrorError, type ErrorCode, type FieldError } from '../imgapi/errors.ts';
import type { OperationContext, VerbSpec } from '../operations/operation.ts';
import { VERBS, type Verb } from '../operations/verbs.ts';

export interface ApiClientOptions {
  /** The mirror's base URL. */
  readonly url: string;
  readonly token: string | undefined;
  /** True for an address that the mirror itself wrote down for this machine: its certificate is for another name. */
  readonly isOwnMachine: boolean;
}

export interface ApiClient {
  /** @throws MirrorError: the mirror's own, or UpstreamUnavailable if it does not answer as one of ours. */
  run(verb: Verb, input: Readonly<Record<string, unknown>>, context: OperationContext): Promise<object>;
  close(): Promise<void>;
}

const CONNECT_MS = 5_000;
/** A list of all images takes its time on a small machine; of operations a line comes every 10 s. */
const SILENCE_MS = 60_000;
/** A list of 10,000 images with all that is known of them. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_LINE_LENGTH = 16 * 1024 * 1024;

export function createApiClient(options: ApiClientOptions): ApiClient {
  const agent = new Agent({
    connect: { timeout: CONNECT_MS, rejectUnauthorized: !options.isOwnMachine },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  });
  const { url } = options;

  async function ask(
    verb: Verb,
    input: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const spec: VerbSpec = VERBS[verb];
    const isRead = spec.method === 'GET';
    return request(`_mirror/api/${pathOf(spec, input)}`, signal, {
      method: spec.method,
      headers: isRead
        ? { accept: 'application/json' }
        : {
            accept: 'application/x-ndjson',
            'content-type': 'application/json',
            ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          },
      body: isRead ? null : JSON.stringify(input),
    });
  }

  /** `path`: below the mirror's URL. @throws MirrorError where nobody answers; what `undici` does where the signal is aborted */
  async function request(
    path: string,
    signal: AbortSignal,
    about: Pick<Dispatcher.RequestOptions, 'method' | 'headers' | 'body'>,
  ): Promise<Dispatcher.ResponseData> {
    const target = new URL(path, url.endsWith('/') ? url : `${url}/`);
    try {
      return await send(target, { dispatcher: agent, signal, ...about });
    } catch (error) {
      if (signal.aborted) throw error;
      throw unreachable(url, error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Whether somebody who does not know the path is one of ours all the same: whatever stands before a mirror may put its own name to it. */
  async function isMirror(signal: AbortSignal): Promise<boolean> {
    const answer = await request('_mirror/health', signal, { method: 'GET' });
    const body = parseJson(await textOf(answer));
    return answer.statusCode === 200 && isJsonObject(body) && typeof body.version === 'string';
  }

  async function lastLine(response: Dispatcher.ResponseData, context: OperationContext): Promise<object> {
    try {
      for await (const text of linesOf(response.body)) {
        const line = parseJson(text);
        if (!isJsonObject(line)) throw unreachable(url, 'it sent a line that is no JSON object');
        const { event, result, error } = line;
        if (isJsonObject(result)) return result;
        if (error !== undefined) throw errorOf(error, 500);
        if (isJsonObject(event) && typeof event.type === 'string' && event.type !== 'alive')
          context.onEvent({ ...event, type: event.type });
      }
    } catch (error) {
      if (error instanceof MirrorError || context.signal.aborted) throw error;
      throw unreachable(url, error instanceof Error ? error.message : String(error), error);
    } finally {
      response.body.destroy();
    }
    throw unreachable(url, 'its answer broke off');
  }

  return {
    async run(verb, input, context) {
      const response = await ask(verb, input, context.signal);
      if (response.statusCode === 200 && String(response.headers['content-type']).startsWith('application/x-ndjson'))
        return lastLine(response, context);
      const body = parseJson(await textOf(response));
      const { statusCode } = response;
      if (statusCode !== 200) {
        const isApi = isOurs(response) || (isForeign(statusCode) ? await isMirror(context.signal) : isError(body));
        throw isApi ? errorOf(body, statusCode) : foreign(url, statusCode);
      }
      if (!isJsonObject(body)) throw unreachable(url, 'its answer is no JSON object: is it an imgapi-mirror?');
      return body;
    },
    close: async () => agent.close(),
  };
}

/** What a server of something else says to a path it does not know, perhaps in the same form; a redirect leads to one. */
function isForeign(status: number): boolean {
  return [401, 403].includes(status) || isUnknown(status);
}

function isUnknown(status: number): boolean {
  return [404, 405].includes(status) || (status >= 300 && status < 400);
}

/** Somebody else has answered: in place of a mirror, or in front of one. */
function foreign(url: string, status: number): MirrorError {
  const message = isUnknown(status)
    ? `there is no imgapi-mirror at ${url}`
    : `no imgapi-mirror answers at ${url}: HTTP status ${status} (is something in front of it?)`;
  return new MirrorError('UpstreamUnavailable', message);
}

/** Has the form of the API's errors. */
function isError(body: unknown): boolean {
  return isJsonObject(body) && typeof body.code === 'string' && typeof body.message === 'string';
}

function isOurs({ headers }: Dispatcher.ResponseData): boolean {
  return String(headers['server']).startsWith(`${PRODUCT.name}/`);
}

/** Whole lines, without their ends. @throws if one goes on for too long: it is not gathered without end */
async function* linesOf(body: Dispatcher.ResponseData['body']): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let begun = '';
  for await (const part of body) {
    if (!Buffer.isBuffer(part)) continue;
    const [first = '', ...rest] = decoder.write(part).split('\n');
    begun += first;
    for (const next of rest) {
      yield begun;
      begun = next;
    }
    if (begun.length > MAX_LINE_LENGTH) throw new Error('it sent a line that does not end');
  }
  if (begun !== '') yield begun;
}

function pathOf(spec: VerbSpec, input: Readonly<Record<string, unknown>>): string {
  const path = spec.path.replace(/:(\w+)/, (_, field: string) => encodeURIComponent(String(input[field])));
  if (spec.method !== 'GET') return path;
  const query = new URLSearchParams();
  for (const [field, value] of Object.entries(input)) {
    if (value === undefined || spec.path.includes(`:${field}`)) continue;
    if (Array.isArray(value)) for (const entry of value) query.append(field.replace(/s$/, ''), `${entry}`);
    else query.append(field, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

async function textOf(response: Dispatcher.ResponseData): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response.body) {
    if (!Buffer.isBuffer(part)) continue;
    length += part.length;
    if (length > MAX_ANSWER_BYTES) throw new MirrorError('InternalError', 'the answer of the mirror is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** An error as the API writes it, `{code, message, errors}`. */
function errorOf(body: unknown, status: number): MirrorError {
  if (!isJsonObject(body)) return new MirrorError('InternalError', `the mirror answered ${status}`);
  const { code, message, errors } = body;
  const known = typeof code === 'string' && isErrorCode(code) ? code : 'InternalError';
  const text = typeof message === 'string' ? message : `the mirror answered ${status}`;
  return new MirrorError(known, text, Array.isArray(errors) ? { errors: errors.filter(isFieldError) } : {});
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_STATUS, code);
}

function isFieldError(value: unknown): value is FieldError {
  return isJsonObject(value) && typeof value.field === 'string';
}

function unreachable(url: string, reason: string, cause?: unknown): MirrorError {
  return new MirrorError('UpstreamUnavailable', `the mirror at ${url} does not answer: ${reason}`, { cause });
}
