/** GET /images/U/file and /images/U/icon. */
import { createHash } from 'node:crypto';
import type { TestFile, TestImage } from '../images.ts';
import { createBufferBytes } from '../image-bytes.ts';
import type { ByteSource } from '../image-bytes.ts';
import type { RangeLie } from './behaviour.ts';
import { sendBody } from './body.ts';
import type { Window } from './body.ts';
import { sendError, writeHead } from './exchange.ts';
import type { Exchange } from './exchange.ts';

interface Served {
  readonly source: ByteSource;
  readonly contentType: string;
  /** Hex SHA-1. */
  readonly tag: string;
  /** Base64. */
  readonly md5: string;
  readonly lastModified: string;
}

const WRONG_MD5 = createHash('md5').update('something else').digest('base64');

export async function sendImageFile(exchange: Exchange, image: TestImage): Promise<void> {
  const index = Number(exchange.request.query.get('index') ?? 0);
  const file: TestFile | undefined = image.files[index];
  if (file === undefined) {
    sendError(exchange, 404, 'ResourceNotFound', `image "${image.uuid}" has no file at index ${index}`);
    return;
  }
  const { sha1, md5 } = file;
  const served = { source: file, contentType: 'application/octet-stream', tag: sha1, md5, lastModified: dateOf(image) };
  await sendBytes(exchange, served, (bytes) => {
    exchange.state.bytesSent += bytes;
  });
}

export async function sendImageIcon(exchange: Exchange, image: TestImage): Promise<void> {
  const { icon } = image;
  if (icon === undefined) {
    sendError(exchange, 404, 'ResourceNotFound', `image "${image.uuid}" has no icon`);
    return;
  }
  const tag = createHash('sha1').update(icon.bytes).digest('hex');
  const md5 = createHash('md5').update(icon.bytes).digest('base64');
  const source = createBufferBytes(icon.bytes);
  await sendBytes(exchange, { source, contentType: icon.contentType, tag, md5, lastModified: dateOf(image) }, () => {});
}

async function sendBytes(exchange: Exchange, served: Served, onBytes: (bytes: number) => void): Promise<void> {
  const { contentMd5, contentLength, supportsRange, rangeLie } = exchange.behaviour();
  const whole: Window = { start: 0, end: served.source.size };
  const unasked = rangeLie === 'unasked' ? whole : undefined;
  const range = supportsRange === true ? (askedRange(exchange, served) ?? unasked) : undefined;
  if (range === 'unsatisfiable') {
    writeHead(exchange, 416, { 'Content-Range': `bytes */${whole.end}`, 'Content-Length': 0 });
    exchange.response.end();
    return;
  }
  const window = range ?? whole;
  const isLying = typeof contentLength === 'number';
  const length = isLying ? contentLength : window.end - window.start;
  writeHead(exchange, range === undefined ? 200 : 206, {
    // The real server's tags are bare; a server with ranges needs a well-formed one for If-Range (RFC 9110, 8.8.3).
    Etag: supportsRange === true ? `"${served.tag}"` : served.tag,
    'Last-Modified': served.lastModified,
    'Content-Type': served.contentType,
    // Content-MD5 is of the body sent (RFC 1864), so a part has none of the whole's.
    'Content-MD5': range === undefined ? md5Header(contentMd5, served.md5) : undefined,
    'Content-Length': contentLength === 'none' ? undefined : length,
    'Accept-Ranges': supportsRange === true ? 'bytes' : undefined,
    'Content-Range': range === undefined ? undefined : contentRange(window, whole.end, rangeLie),
    // After a wrong length nothing else can be understood on this connection.
    Connection: isLying ? 'close' : undefined,
  });
  const isShifted = rangeLie === 'shifted' && range !== undefined && window.start > 0;
  const sent = isShifted ? { start: window.start - 1, end: window.end - 1 } : window;
  await sendBody(exchange, served.source, sent, onBytes);
}

function contentRange({ start, end }: Window, total: number, lie: RangeLie | undefined): string | undefined {
  if (lie === 'missing') return undefined;
  const first = lie === 'start' ? start + 1 : start;
  const last = lie === 'end' ? end - 2 : end - 1;
  return `bytes ${first}-${last}/${lie === 'total' ? total + 1 : total}`;
}

function md5Header(mode: 'right' | 'wrong' | 'none' | undefined, right: string): string | undefined {
  if (mode === 'none') return undefined;
  return mode === 'wrong' ? WRONG_MD5 : right;
}

/** The single range asked for; undefined where the whole is due. */
function askedRange({ request }: Exchange, served: Served): Window | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  if (ifRange !== undefined && ifRange !== `"${served.tag}"` && ifRange !== served.lastModified) return undefined;
  const match = /^bytes=(\d*)-(\d*)$/.exec(typeof range === 'string' ? range : '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  const { size } = served.source;
  if (first === '') return last === '' ? undefined : { start: Math.max(0, size - Number(last)), end: size };
  if (Number(first) >= size) return 'unsatisfiable';
  return { start: Number(first), end: last === '' ? size : Math.min(size, Number(last) + 1) };
}

function dateOf(image: TestImage): string {
  const date = new Date(String(image.manifest['published_at']));
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toUTCString();
}
