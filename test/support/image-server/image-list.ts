/** GET /images: filters, order, paging, and the ways a list can be broken. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestImage } from '../images.ts';
import { isTagListed, jsonText, sendError, sendJson, sendText, sha1Hex, writeHead } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { manifestFor } from './manifest-view.ts';

const EXACT_FILTERS = ['name', 'version', 'os', 'type', 'owner'];
const ENDLESS_PAUSE_EVERY_BYTES = 1_048_576;

/** `visible`: the images of the channel asked for. */
export async function sendImageList(exchange: Exchange, visible: readonly TestImage[]): Promise<void> {
  const { query } = exchange.request;
  const behaviour = exchange.behaviour();
  const ordered = visible.filter((image) => isListed(image, query)).toSorted(byPublishedAt);
  const marker = query.get('marker');
  const start = marker === null ? 0 : markerIndex(ordered, marker);
  if (start === undefined) {
    sendError(exchange, 404, 'ResourceNotFound', `image ${marker ?? ''} not found`);
    return;
  }
  const limit = Number(query.get('limit') || Infinity);
  const page = ordered.slice(start, start + Math.max(0, Math.min(limit, behaviour.listCap ?? Infinity)));
  const entries = [...page.map((image) => manifestFor(exchange, image)), ...(behaviour.extraEntries ?? [])];
  await sendEntries(exchange, entries);
}

async function sendEntries(exchange: Exchange, entries: readonly unknown[]): Promise<void> {
  const { response } = exchange;
  const text = jsonText(entries);
  const json = { 'Content-Type': 'application/json' };
  switch (exchange.behaviour().listMode) {
    case undefined:
      sendText(exchange, 200, text);
      return;
    case 'chunked':
      writeHead(exchange, 200, json);
      response.end(text);
      return;
    case 'truncated':
      sendText(exchange, 200, text.slice(0, text.length / 2));
      return;
    case 'cut':
      writeHead(exchange, 200, { ...json, 'Content-Length': Buffer.byteLength(text) });
      response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
      return;
    case 'not-json':
      sendText(exchange, 200, '<html><body>Please sign in to this network</body></html>', {
        'Content-Type': 'text/html',
      });
      return;
    case 'empty':
      sendJson(exchange, 200, []);
      return;
    case 'object':
      sendJson(exchange, 200, {});
      return;
    case 'endless':
      await sendEndlessly(exchange, entries);
      return;
    case 'etag':
      sendTagged(exchange, text);
      return;
  }
}

function sendTagged(exchange: Exchange, text: string): void {
  const tag = sha1Hex(text);
  if (!isTagListed(exchange.request.headers['if-none-match'], tag)) {
    sendText(exchange, 200, text, { Etag: `"${tag}"` });
    return;
  }
  writeHead(exchange, 304, { Etag: `"${tag}"` });
  exchange.response.end();
}

/** Sound entries for ever: only the client's own bound ends it. */
async function sendEndlessly(exchange: Exchange, entries: readonly unknown[]): Promise<void> {
  const { response, signal } = exchange;
  const round = entries.map((entry) => JSON.stringify(entry)).join(',\n') || '{}';
  writeHead(exchange, 200, { 'Content-Type': 'application/json' });
  response.write(`[${round}`);
  for (let written = 0; ; written += round.length) {
    const hasRoom = response.write(`,\n${round}`);
    // The timer, not only the drain, lets others of this process run.
    if (!hasRoom || written % ENDLESS_PAUSE_EVERY_BYTES < round.length) await sleep(1, undefined, { signal });
  }
}

/** Only active ones are listed, whatever `state` says; other filters compare exactly. */
function isListed(image: TestImage, query: URLSearchParams): boolean {
  const state = query.get('state') ?? 'active';
  if (image.manifest['state'] !== 'active' || (state !== 'active' && state !== 'all')) return false;
  return EXACT_FILTERS.every((field) => {
    const wanted = query.get(field);
    return wanted === null || String(image.manifest[field]) === wanted;
  });
}

/** Where a page starts: AT the image of a uuid marker, or at the first one not before a date; undefined for an unknown uuid. */
function markerIndex(ordered: readonly TestImage[], marker: string): number | undefined {
  const markerMs = publishedAtMs(marker);
  const index = Number.isNaN(markerMs)
    ? ordered.findIndex((image) => image.uuid === marker)
    : ordered.findIndex((image) => publishedAtMs(image.manifest['published_at']) >= markerMs);
  if (index >= 0) return index;
  return Number.isNaN(markerMs) ? undefined : ordered.length;
}

/** By time alone: the real server does not break ties. */
function byPublishedAt(a: TestImage, b: TestImage): number {
  return publishedAtMs(a.manifest['published_at']) - publishedAtMs(b.manifest['published_at']) || 0;
}

/** NaN for what is no time; a time without a zone is UTC. */
function publishedAtMs(value: unknown): number {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d/.test(value)) return Number.NaN;
  return Date.parse(/T.*(Z|[+-]\d\d:?\d\d)$/.test(value) || value.length === 10 ? value : `${value}Z`);
}
