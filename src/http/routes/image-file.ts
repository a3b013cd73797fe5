/**
 * `GET /images/:uuid/file[?index=N]`: the bytes, stored or on their way. Headers go out when they are known to be true;
 * a body that cannot be finished is ended by destroying the socket, never cleanly.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BlobStore } from '../../blobs/store.ts';
import { fileSources } from '../../downloads/file-sources.ts';
import type { Downloads, ObtainedBlob } from '../../downloads/registry.ts';
import type { Log } from '../../config/log.ts';
import { noFileAtIndex, notHereOffline } from '../../imgapi/answers.ts';
import { MirrorError, type ErrorCode } from '../../imgapi/errors.ts';
import type { ImageFile } from '../../imgapi/manifest.ts';
import type { QueryParams } from '../../imgapi/list-query.ts';
import type { Keeper } from '../../records/keeper.ts';
import { rememberedIsGone } from '../../trust/conflict.ts';
import { allowsRange, matchesTag } from '../conditional.ts';
import { findImage, type ImageLookup, type RequestedImage } from '../find-image.ts';
import { indexParam } from '../image-params.ts';
import { parseRange, type RangeAnswer } from '../range.ts';
import { sendBytes } from '../send-bytes.ts';
import { responseTime } from '../server.ts';

export interface ImageFileRouteDeps extends ImageLookup {
  readonly blobs: BlobStore;
  readonly downloads: Downloads;
  readonly keeper: Keeper;
  readonly log: Log;
  readonly monotonicNow: () => number;
  /** A client that takes no byte for this long is dropped, ms. */
  readonly clientStallTimeoutMs: number;
  /** True: what is not stored is not fetched. */
  readonly isOffline: boolean;
}

/** No source had the file, or none could be asked. */
const SOURCE_FAILURES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ServiceUnavailableError',
  'UpstreamUnavailable',
  'DownloadFailed',
]);

type FileRequest = FastifyRequest<{ Params: { uuid: string }; Querystring: QueryParams }>;

export function imageFileRoute(app: FastifyInstance, deps: ImageFileRouteDeps): void {
  app.route<{ Params: { uuid: string }; Querystring: QueryParams }>({
    method: ['GET', 'HEAD'],
    url: '/images/:uuid/file',
    config: { name: 'file', isImgapi: true },
    async handler(request, reply) {
      // Before anything is waited for: a client that leaves meanwhile starts nothing.
      const gone = goneSignal(reply);
      const index = indexParam(request.query);
      const image = await findImage(deps, request);
      const file = image.entry.manifest.files[index];
      if (file === undefined) throw noFileAtIndex(image.entry.manifest.uuid, index);
      const lastModified = new Date(image.entry.manifest.publishedAt.epochMs).toUTCString();
      const headers = { etag: file.sha1, 'last-modified': lastModified, 'accept-ranges': 'bytes' };
      if (matchesTag(request.headers['if-none-match'], file.sha1)) return reply.code(304).headers(headers).send();
      if (deps.isOffline && !(await isHere(file))) throw notHereOffline(image.entry.manifest.uuid, `file ${index}`);
      if (request.method === 'HEAD') return sendHead(request, reply, file, headers);
      if (gone.aborted) reply.hijack();
      else {
        await sendFile(request, reply, image, index, file, headers, gone).catch((error: unknown) => {
          throw explained(image, error);
        });
      }
      return reply;
    },
  });

  async function isHere({ sha1, size }: ImageFile): Promise<boolean> {
    return size === 0 || (await deps.blobs.facts(sha1, size)) !== undefined;
  }

  /** HEAD answers from what is known and starts no download. */
  async function sendHead(
    request: FileRequest,
    reply: FastifyReply,
    file: ImageFile,
    headers: Record<string, string>,
  ): Promise<FastifyReply> {
    const facts = await deps.blobs.facts(file.sha1, file.size).catch((error: unknown) => {
      deps.log.warn({ err: error, reqId: request.mirror.requestId }, 'a stored file could not be looked at');
      return undefined;
    });
    request.mirror.cache = facts === undefined ? 'MISS' : 'HIT';
    if (facts !== undefined) reply.header('content-md5', facts.md5);
    reply.headers({ ...headers, 'x-cache': request.mirror.cache, 'content-type': 'application/octet-stream' });
    return reply.header('content-length', file.size).send();
  }

  async function sendFile(
    request: FileRequest,
    reply: FastifyReply,
    image: RequestedImage,
    index: number,
    file: ImageFile,
    headers: Record<string, string>,
    gone: AbortSignal,
  ): Promise<void> {
    const blob = await deps.downloads.obtain({
      sha1: file.sha1,
      size: file.size,
      sources: fileSources(deps.catalog.feeds(), image, index),
      requestId: request.mirror.requestId,
    });
    try {
      request.mirror.cache = blob.cache;
      deps.keeper.onServed(image.entry, file.sha1, blob.stored);
      const { contentMd5 } = await untilGone(blob.headers, gone);
      // The disk may have failed meanwhile.
      request.mirror.cache = blob.cache;
      const range = rangeOf(request, headers, file, blob);
      if (range.kind === 'unsatisfiable') {
        reply.header('content-range', `bytes */${file.size}`).header('x-cache', blob.cache);
        throw new MirrorError('RequestedRangeNotSatisfiableError', `the file has ${file.size} bytes`);
      }
      const part = range.kind === 'part' ? range : { start: 0, end: file.size };
      reply.hijack();
      const { raw } = reply;
      raw.setHeader('x-response-time', responseTime(request, deps.monotonicNow()));
      raw.writeHead(range.kind === 'part' ? 206 : 200, {
        ...headers,
        'content-type': 'application/octet-stream',
        'content-length': part.end - part.start,
        'x-cache': blob.cache,
        // The MD5 is the whole file's: a part must not carry it.
        ...(range.kind === 'part'
          ? { 'content-range': `bytes ${part.start}-${part.end - 1}/${file.size}` }
          : contentMd5 === undefined
            ? {}
            : { 'content-md5': contentMd5 }),
      });
      await sendBody(request, reply, blob, part, gone);
    } catch (error) {
      // Nobody is left to answer.
      if (gone.aborted) reply.hijack();
      else throw error;
    } finally {
      await blob.source.close();
    }
  }

  async function sendBody(
    request: FileRequest,
    reply: FastifyReply,
    blob: ObtainedBlob,
    part: { readonly start: number; readonly end: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { raw } = reply;
    const { mirror } = request;
    // What is withheld for long must not keep the client from seeing that we are there.
    raw.flushHeaders();
    try {
      const sent = await sendBytes(raw, blob.source, {
        ...part,
        signal,
        stallTimeoutMs: deps.clientStallTimeoutMs,
        onSent(bytes) {
          mirror.firstByteAtMs ??= deps.monotonicNow();
          mirror.sent(bytes);
        },
      });
      if (sent.kind === 'all') {
        raw.end();
        return;
      }
      // Of one that has left there is nothing to say.
      if (!signal.aborted) deps.log.warn({ err: sent.reason, reqId: mirror.requestId }, 'response broken off');
    } catch (error) {
      // At a stop transfers are given up before their clients are: nothing has gone wrong.
      if (!(error instanceof MirrorError) || error.code !== 'ShuttingDown') {
        mirror.isBroken = true;
        deps.log.warn({ err: error, reqId: mirror.requestId }, 'response broken off');
      }
    }
    raw.destroy();
  }
}

/** A part is served where its start is there already; a client that asks for more waits for the whole as if it had not asked. */
function rangeOf(
  request: FileRequest,
  headers: Record<string, string>,
  file: ImageFile,
  blob: ObtainedBlob,
): RangeAnswer {
  const { range, 'if-range': ifRange } = request.headers;
  const tag = Array.isArray(ifRange) ? ifRange[0] : ifRange;
  if (!allowsRange(tag, file.sha1, headers['last-modified'] ?? '')) return { kind: 'whole' };
  const asked = parseRange(range, file.size);
  if (asked.kind !== 'part' || blob.cache === 'HIT') return asked;
  return asked.start < blob.available ? asked : { kind: 'whole' };
}

/** Where only the remembered image is served, that is why its file cannot be had: the message says what an operator can do. */
function explained({ entry }: RequestedImage, error: unknown): unknown {
  const isAboutSources = error instanceof MirrorError && SOURCE_FAILURES.has(error.code);
  return isAboutSources && entry.isRemembered === true ? rememberedIsGone(entry.manifest.uuid, 'file', error) : error;
}

/** Aborts when the response's connection is gone, be it before its end or after. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(new MirrorError('DownloadFailed', 'the client has left')));
  return gone.signal;
}

async function untilGone<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const left = Promise.withResolvers<never>();
  const onAbort = (): void => left.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, left.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
