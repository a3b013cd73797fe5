/**
 * Our own API under `/_mirror/api/`: one route per verb. Reads are open as the images are; writes want a token and leave a line in the log.
 *
 * A write may take hours. It is answered in one of three ways, as the client asks: when it is done; with
 * `Accept: application/x-ndjson` line by line as it goes on; with `Prefer: respond-async` (RFC 7240) at once, with 202. In the first two
 * the client's leaving ends the operation; what it has fetched stays.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../config/log.ts';
import { MirrorError } from '../../imgapi/errors.ts';
import { readInput } from '../../operations/fields.ts';
import type { OperationContext } from '../../operations/operation.ts';
import { isWrite, VERBS, type Operations, type Verb } from '../../operations/verbs.ts';
import type { AdminAccess } from '../admin-access.ts';
import { API, OPENAPI_URL } from '../api-paths.ts';
import { createEventLines } from '../event-lines.ts';
import { jsonBody, type JsonSender } from '../json-reply.ts';
import { openapi } from '../openapi.ts';

export interface ApiDeps {
  readonly operations: Operations;
  readonly access: AdminAccess;
  readonly sendJson: JsonSender;
  readonly log: Log;
  /** Aborted when the mirror stops: what still runs then ends too. */
  readonly stopping: AbortSignal;
}

const MAX_BODY_BYTES = 256 * 1024;
type Input = Readonly<Record<string, unknown>>;

export function apiRoutes(app: FastifyInstance, deps: ApiDeps): void {
  const description = jsonBody(openapi());
  app.route({
    method: ['GET', 'HEAD'],
    url: OPENAPI_URL,
    config: { name: 'api' },
    handler: async (request, reply) => deps.sendJson(request, reply, description),
  });
  for (const url of [API, `${API}/`]) {
    app.route({
      method: ['GET', 'HEAD'],
      url,
      config: { name: 'api' },
      handler: async (_request, reply) => reply.redirect(OPENAPI_URL, 302),
    });
  }
  for (const verb of verbs()) {
    if (isWrite(verb)) writeRoute(app, deps, verb);
    else readRoute(app, deps, verb);
  }
}

function verbs(): readonly Verb[] {
  return Object.keys(VERBS).filter((name): name is Verb => Object.hasOwn(VERBS, name));
}

function readRoute(app: FastifyInstance, deps: ApiDeps, verb: Verb): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: `${API}/${VERBS[verb].path}`,
    config: { name: 'api' },
    async handler(request, reply) {
      const input = readInput(VERBS[verb].fields, { ...fromQuery(request.query), ...asRecord(request.params) });
      const context = { signal: endOf(reply, deps.stopping), onEvent() {} };
      const result = await deps.operations[verb].run(input, context);
      reply.header('cache-control', 'no-store');
      return deps.sendJson(request, reply, jsonBody(result));
    },
  });
}

function writeRoute(app: FastifyInstance, deps: ApiDeps, verb: Verb): void {
  app.route({
    method: VERBS[verb].method,
    url: `${API}/${VERBS[verb].path}`,
    config: { name: 'api', readsBody: true },
    bodyLimit: MAX_BODY_BYTES,
    async onRequest(request) {
      const { authorization, origin, host } = request.headers;
      try {
        deps.access.check({ address: request.ip, authorization, origin, host });
      } catch (error) {
        audit(deps.log, request, verb, 'refused');
        throw error;
      }
      // A form can be sent from any page; JSON cannot without that page's being asked first.
      if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
        throw new MirrorError('UnsupportedMediaType', 'the body must be JSON: Content-Type: application/json');
    },
    async handler(request, reply) {
      const input = readInput(VERBS[verb].fields, request.body ?? {});
      audit(deps.log, request, verb, 'begun', input);
      const run = async (context: OperationContext): Promise<object> => {
        try {
          const result = await deps.operations[verb].run(input, context);
          audit(deps.log, request, verb, 'done');
          return result;
        } catch (error) {
          audit(deps.log, request, verb, context.signal.aborted ? 'abandoned' : 'failed');
          // However it noticed: that is why.
          context.signal.throwIfAborted();
          throw error;
        }
      };
      if (/\brespond-async\b/i.test(String(request.headers.prefer ?? ''))) {
        void run({ signal: deps.stopping, onEvent() {} }).catch((error: unknown) => {
          if (deps.stopping.aborted) return;
          const problem = error instanceof Error ? error.message : String(error);
          deps.log.warn(
            { verb, problem, reqId: request.mirror.requestId },
            'an operation that nobody waits for failed',
          );
        });
        reply.code(202).header('preference-applied', 'respond-async');
        return deps.sendJson(request, reply, jsonBody({ verb, requestId: request.mirror.requestId }));
      }
      if (/\bapplication\/x-ndjson\b/i.test(request.headers.accept ?? '')) return sendLines(reply, deps, run);
      const result = await run({ signal: endOf(reply, deps.stopping), onEvent() {} });
      return deps.sendJson(request, reply, jsonBody(result));
    },
  });
}

/** The events as they come, and the result or the error as the last line. The status is 200 in any case: it is sent first. */
async function sendLines(
  reply: FastifyReply,
  deps: ApiDeps,
  run: (context: OperationContext) => Promise<object>,
): Promise<FastifyReply> {
  reply.hijack();
  const lines = createEventLines(reply.raw, (bytes) => reply.request.mirror.sent(bytes));
  try {
    lines.end({ result: await run({ signal: endOf(reply, deps.stopping), onEvent: (event) => lines.event(event) }) });
  } catch (error) {
    if (!(error instanceof MirrorError)) deps.log.error({ err: error }, 'an operation failed unexpectedly');
    const { code, message, errors } =
      error instanceof MirrorError ? error : { code: 'InternalError', message: 'internal error', errors: undefined };
    lines.end({ error: { code, message, ...(errors === undefined ? {} : { errors }) } });
  }
  return reply;
}

/** Aborted when the client has left or the mirror stops. */
function endOf(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
  const left = new AbortController();
  reply.raw.once('close', () => left.abort(new MirrorError('RequestTimeoutError', 'the client has left')));
  return AbortSignal.any([left.signal, stopping]);
}

/** `selector=a&selector=b&limit=10` as an input. */
function fromQuery(query: unknown): Input {
  const { selector, limit, offset, ...rest } = asRecord(query);
  return {
    ...rest,
    ...(selector === undefined ? {} : { selectors: Array.isArray(selector) ? selector : [selector] }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
    ...(offset === undefined ? {} : { offset: Number(offset) }),
  };
}

function asRecord(value: unknown): Input {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function audit(log: Log, request: FastifyRequest, verb: Verb, outcome: string, input?: Input): void {
  const { requestId: reqId } = request.mirror;
  log.info({ audit: verb, outcome, ...(input === undefined ? {} : { input }), client: request.ip, reqId }, 'admin');
}
