/** An upstream that speaks IMGAPI, such as images.smartos.org (sdc-imgapi docs, "API"). */
import { createHash } from 'node:crypto';
import { parseChannels, type Channel } from '../imgapi/channels.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { iconTypeOf } from '../imgapi/icon-type.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import { readAll, type HttpClient, type HttpRequest, type HttpResponse, type RequestKind } from './http-client.ts';
import { unavailable } from './unavailable.ts';
import { DEMAND } from './urgency.ts';
import type {
  FileAnswer,
  FileRequest,
  IconAnswer,
  ImageRequest,
  ListAnswer,
  ListRequest,
  ManifestAnswer,
  Upstream,
  UpstreamRequest,
  Validators,
} from './upstream.ts';

export interface ImgapiUpstreamDeps {
  /** Closed with the upstream. */
  readonly http: HttpClient;
}

export interface ImgapiUpstreamOptions {
  readonly name: string;
  readonly url: string;
  readonly channel: string | undefined;
  readonly maxDownloads: number;
  readonly prefetchDownloads: number;
  /** A JSON answer must have ended within this, in ms. */
  readonly jsonTimeoutMs: number;
  /** Largest list, in bytes of JSON, all pages together. */
  readonly listMaxBytes: number;
}

/** sdc-imgapi refuses larger icons on upload (128 KiB); four times that is generous. */
const ICON_MAX_BYTES = 512 * 1024;
/** One manifest, or the list of channels. The largest real manifests are a few KiB. */
const JSON_MAX_BYTES = 4 * 1024 * 1024;
/** An upstream that caps its lists does so at this (protocol: imgadm pages by 1000 too). */
const PAGE_SIZE = 1000;
/** What a mirror answers to a request of its own (RFC 5842, section 7.2). */
const LOOP_DETECTED = 508;
/** A server that always has one more page must not keep us for ever. */
const MAX_PAGES = 200;

export function createImgapiUpstream({ http }: ImgapiUpstreamDeps, options: ImgapiUpstreamOptions): Upstream {
  const { name } = options;

  async function get(
    kind: RequestKind,
    path: string,
    { signal, requestId, transfer }: UpstreamRequest & Pick<HttpRequest, 'transfer'>,
    headers: Record<string, string>,
  ): Promise<HttpResponse> {
    return http.get({
      kind,
      path,
      signal,
      ...(transfer === undefined ? {} : { transfer }),
      headers: { 'accept-version': '~2', 'x-request-id': requestId, ...headers },
    });
  }

  /** A small JSON answer under one deadline: its status, and its value if 200. */
  async function getJson(
    kind: RequestKind,
    path: string,
    request: UpstreamRequest & Pick<HttpRequest, 'transfer'>,
    maxBytes: number,
    headers: Record<string, string> = {},
  ): Promise<{ response: HttpResponse; value: unknown; bytes: number }> {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(options.jsonTimeoutMs)]);
    const response = await get(
      kind,
      path,
      { ...request, signal },
      {
        accept: 'application/json',
        'accept-encoding': 'gzip',
        ...headers,
      },
    );
    if (response.status !== 200) {
      await response.discard();
      return { response, value: undefined, bytes: 0 };
    }
    const body = await readAll(name, response, maxBytes);
    try {
      return { response, value: JSON.parse(body.toString('utf8')), bytes: body.length };
    } catch (error) {
      throw unavailable(name, 'body', `GET ${path} answered ${body.length} bytes that are no JSON`, { cause: error });
    }
  }

  function unexpected(path: string, response: HttpResponse): Error {
    const { status } = response;
    const text = `GET ${path} answered ${status}`;
    if (status !== LOOP_DETECTED) return unavailable(name, 'status', text, { status });
    // Passed on as what it is: whoever is behind us must not take it for a failure that goes away.
    const hint = 'it leads back to a mirror that has asked it; check its url and DNS';
    const details = { upstream: name, reason: 'status', status };
    return new MirrorError('LoopDetected', `upstream ${name}: ${text}: ${hint}`, { details });
  }

  async function listPage(path: string, request: ListRequest, maxBytes: number, headers: Record<string, string>) {
    const page = await getJson('list', path, request, maxBytes, headers);
    if (page.response.status === 304) return { ...page, images: undefined };
    if (page.response.status !== 200) throw unexpected(path, page.response);
    if (!Array.isArray(page.value)) throw unavailable(name, 'body', `GET ${path} answered JSON that is no list`);
    return { ...page, images: page.value as unknown[] };
  }

  return {
    name,
    url: options.url,
    channel: options.channel,
    maxDownloads: options.maxDownloads,
    prefetchDownloads: options.prefetchDownloads,

    async ping(request: UpstreamRequest): Promise<void> {
      const { response } = await getJson('ping', '/ping', request, JSON_MAX_BYTES);
      if (response.status !== 200) throw unexpected('/ping', response);
    },

    async channels(request: UpstreamRequest): Promise<readonly Channel[] | undefined> {
      const { response, value } = await getJson('channels', '/channels', request, JSON_MAX_BYTES);
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw unexpected('/channels', response);
      const channels = parseChannels(value);
      if (channels === undefined) throw unavailable(name, 'body', 'GET /channels answered no list of channels');
      return channels;
    },

    async list(asked: ListRequest): Promise<ListAnswer> {
      // One deadline for all pages.
      const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(options.jsonTimeoutMs)]);
      const request = { ...asked, signal };
      const { validators } = request;
      const first = await listPage(imagesPath({ channel: request.channel }), request, options.listMaxBytes, {
        ...(validators.etag === undefined ? {} : { 'if-none-match': validators.etag }),
        ...(validators.lastModified === undefined ? {} : { 'if-modified-since': validators.lastModified }),
      });
      if (first.images === undefined) return { kind: 'unchanged' };
      const images = first.images;
      const firstCount = images.length;
      let bytes = first.bytes;
      let page = images;
      for (let pages = 1; page.length >= PAGE_SIZE; pages++) {
        if (pages >= MAX_PAGES) throw unavailable(name, 'body', `its list has more than ${MAX_PAGES} pages`);
        const marker = uuidOf(page.at(-1));
        if (marker === undefined) break;
        const path = imagesPath({ channel: request.channel, marker, limit: String(PAGE_SIZE) });
        const next = await listPage(path, request, options.listMaxBytes - bytes, {});
        if (next.images === undefined) throw unexpected(path, next.response);
        bytes += next.bytes;
        page = next.images;
        const fresh = uuidOf(page[0]) === marker ? page.slice(1) : page;
        if (uuidOf(page.at(-1)) === marker) break;
        images.push(...fresh);
      }
      // A first page of exactly PAGE_SIZE may be capped: its validator then says nothing about what comes after it.
      const isWhole = images.length === firstCount && firstCount !== PAGE_SIZE;
      return { kind: 'list', images, validators: isWhole ? validatorsOf(first.response) : {} };
    },

    async manifest(request: ImageRequest): Promise<ManifestAnswer> {
      const path = imagePath(request, '');
      const { response, value } = await getJson(
        'manifest',
        path,
        { ...request, ...transferOf(request) },
        JSON_MAX_BYTES,
      );
      if (isAbsent(response)) return { kind: 'absent' };
      if (response.status !== 200) throw unexpected(path, response);
      if (uuidOf(value) !== request.uuid) throw unavailable(name, 'body', `GET ${path} answered another image`);
      return { kind: 'found', json: value };
    },

    async icon(request: ImageRequest): Promise<IconAnswer> {
      const path = imagePath(request, '/icon');
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(options.jsonTimeoutMs)]);
      const response = await get(
        'icon',
        path,
        { ...request, signal, ...transferOf(request) },
        { accept: '*/*', 'accept-encoding': 'identity' },
      );
      if (response.status !== 200) {
        await response.discard();
        if (isAbsent(response)) return { kind: 'absent' };
        throw unexpected(path, response);
      }
      const bytes = await readAll(name, response, ICON_MAX_BYTES);
      const length = response.header('content-length');
      if (length !== undefined && Number(length) !== bytes.length) {
        throw unavailable(name, 'body', `GET ${path} was cut short`);
      }
      const md5 = response.header('content-md5');
      if (md5 !== undefined && md5 !== createHash('md5').update(bytes).digest('base64')) {
        throw unavailable(name, 'body', `GET ${path} is not what its Content-MD5 says`);
      }
      return { kind: 'found', bytes, contentType: iconTypeOf(response.header('content-type')) };
    },

    async file(request: FileRequest): Promise<FileAnswer> {
      const query = request.index === 0 ? {} : { index: String(request.index) };
      const path = imagePath(request, '/file', query);
      // A controller of our own: cancelling one transfer must not touch what else hangs on the caller's signal.
      const abort = new AbortController();
      const signal = AbortSignal.any([request.signal, abort.signal]);
      const response = await get(
        'file',
        path,
        { ...request, signal, ...transferOf(request, request.offset) },
        {
          accept: 'application/octet-stream, */*',
          'accept-encoding': 'identity',
          ...(request.offset > 0 ? { range: `bytes=${request.offset}-` } : {}),
        },
      );
      const cancel = (): void => abort.abort();
      try {
        if (isAbsent(response)) {
          await response.discard();
          return { kind: 'absent' };
        }
        if (response.status !== 200 && response.status !== 206) throw unexpected(path, response);
        const encoding = response.header('content-encoding');
        if (encoding !== undefined && encoding !== 'identity') {
          throw unavailable(name, 'body', `GET ${path} came with Content-Encoding ${encoding}, unasked`);
        }
        const { start, totalSize } = extentOf(response, request.offset, path);
        return {
          kind: 'file',
          stream: {
            start,
            totalSize,
            contentMd5: response.header('content-md5'),
            validators: validatorsOf(response),
            body: response.body,
            cancel,
          },
        };
      } catch (error) {
        cancel();
        throw error;
      }
    },

    async close(): Promise<void> {
      await http.close();
    },
  };

  function extentOf(
    response: HttpResponse,
    offset: number,
    path: string,
  ): { start: number; totalSize: number | undefined } {
    if (response.status === 200) {
      const length = response.header('content-length');
      return { start: 0, totalSize: length === undefined ? undefined : Number(length) };
    }
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.header('content-range') ?? '');
    if (range === null || Number(range[1]) !== offset || offset === 0 || Number(range[2]) !== Number(range[3]) - 1) {
      throw unavailable(
        name,
        'body',
        `GET ${path} from byte ${offset} answered 206 with a Content-Range that does not fit`,
      );
    }
    return { start: offset, totalSize: Number(range[3]) };
  }
}

function transferOf({ urgency = DEMAND }: ImageRequest, offset = 0): Required<Pick<HttpRequest, 'transfer'>> {
  return { transfer: { urgency, offset } };
}

/** 404 and 410 alone say that something is not there; any other refusal is "could not tell". */
function isAbsent(response: HttpResponse): boolean {
  return response.status === 404 || response.status === 410;
}

function validatorsOf(response: HttpResponse): Validators {
  const etag = response.header('etag');
  const lastModified = response.header('last-modified');
  return { ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) };
}

function uuidOf(value: unknown): ImageUuid | undefined {
  const uuid = typeof value === 'object' && value !== null && 'uuid' in value ? value.uuid : undefined;
  return isImageUuid(uuid) ? uuid : undefined;
}

function imagesPath(params: Record<string, string | undefined>): string {
  return `/images${queryText(params)}`;
}

function imagePath(request: ImageRequest, suffix: string, params: Record<string, string> = {}): string {
  return `/images/${request.uuid}${suffix}${queryText({ channel: request.channel, ...params })}`;
}

function queryText(params: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined) query.set(key, value);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
