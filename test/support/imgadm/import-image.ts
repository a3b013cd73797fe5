/** `imgadm import`: the image and its ancestors from one source, up to 5 files in parallel, each checked as imgadm checks it. */
import type { RawResponse } from '../raw-request.ts';
import { errorOf, isEntry } from './avail.ts';
import type { Entry } from './avail.ts';
import { jsonAnswerOf } from './connection.ts';
import type { ImgadmConnection } from './connection.ts';
import { ImgadmError } from './imgadm-error.ts';
import { show } from './show.ts';

const PARALLEL_FILES = 5;
const MAX_ANCESTORS = 100;

/** A file that came whole: its answer, without the body. `sha1` and `md5` are undefined without checksums. */
export type FileReceipt = RawResponse & { readonly uuid: string; readonly size: number };

export interface ImportResult {
  /** The image asked for, then its origin, the origin's origin, ... */
  readonly manifests: readonly Entry[];
  /** One for each image that was not installed, in the order of the manifests. */
  readonly files: readonly FileReceipt[];
}

export interface ImportDeps {
  readonly connection: ImgadmConnection;
  /** Uuids that need no file. */
  readonly installed: ReadonlySet<string>;
  readonly checksums: boolean;
  readonly rateBytesPerSecond: number | undefined;
}

/** Imports as imgadm does. Throws ImgadmError; at the first one the other files are aborted. */
export async function importImage(deps: ImportDeps, uuid: string): Promise<ImportResult> {
  const manifests = await manifestsOf(deps.connection, uuid);
  const wanted = manifests.filter((manifest) => !deps.installed.has(String(manifest['uuid'])));
  const failed = new AbortController();
  const receipts = new Map<Entry, FileReceipt>();
  const queue = [...wanted];
  const worker = async (): Promise<void> => {
    for (let manifest = queue.shift(); manifest !== undefined; manifest = queue.shift()) {
      receipts.set(manifest, await fetchFile(deps, manifest, failed.signal));
    }
  };
  const workers = Array.from({ length: PARALLEL_FILES }, worker);
  try {
    await Promise.all(workers);
  } catch (error) {
    queue.length = 0;
    failed.abort();
    await Promise.allSettled(workers);
    throw error;
  }
  return { manifests, files: wanted.flatMap((manifest) => receipts.get(manifest) ?? []) };
}

/** The image itself must be active; of its ancestors the state does not matter. */
async function manifestsOf(connection: ImgadmConnection, uuid: string): Promise<Entry[]> {
  const first = await show(connection, uuid);
  if (first === undefined) throw new ImgadmError('NotFound', `image ${uuid} was not found`, 404);
  if (first['state'] !== 'active') throw new ImgadmError('NotActive', `image ${uuid} is ${String(first['state'])}`);
  const manifests = [first];
  for (let { origin } = first; typeof origin === 'string'; origin = manifests.at(-1)?.['origin']) {
    const ancestor = await show(connection, origin);
    if (ancestor === undefined) throw new ImgadmError('OriginNotFound', `origin ${origin} was not found`, 404);
    manifests.push(ancestor);
    if (manifests.length > MAX_ANCESTORS) throw new ImgadmError('OriginNotFound', 'the origins form a loop');
  }
  return manifests;
}

async function fetchFile(deps: ImportDeps, manifest: Entry, signal: AbortSignal): Promise<FileReceipt> {
  const { connection, checksums, rateBytesPerSecond } = deps;
  const uuid = String(manifest['uuid']);
  const { size, sha1 } = firstFileOf(manifest);
  const query = connection.channel === undefined ? {} : { channel: connection.channel };
  const response = await connection.get(`/images/${uuid}/file`, query, {
    // An error's body is kept for its message; of a file not a byte is.
    keepBody: 'errors',
    hash: checksums,
    signal,
    ...(rateBytesPerSecond === undefined ? {} : { rateBytesPerSecond }),
  });
  const receipt = { ...response, uuid, size: response.bytes };
  const fail = (code: string, message: string): never => {
    throw new ImgadmError(code, `file of ${uuid}: ${message}`, response.status, { receipt });
  };
  if (response.status >= 400) throw errorOf(jsonAnswerOf(response));
  if (response.status !== 200) fail('BadAnswer', `a ${response.status}, whose body imgadm takes for the file`);
  if (response.headers['content-encoding'] !== undefined) fail('Encoded', 'compressed, though nobody asked for it');
  const length = response.headers['content-length'];
  if (length === undefined) fail('NoContentLength', 'Content-Length is mandatory');
  if (Number(length) !== size) fail('WrongContentLength', `Content-Length ${length}, but ${size} in the manifest`);
  if (!response.endedCleanly || response.bytes !== size) fail('BrokenBody', `${response.bytes} of ${size} bytes`);
  if (checksums && response.sha1 !== sha1) fail('WrongSha1', `sha1 ${response.sha1}, but ${sha1} in the manifest`);
  return receipt;
}

/** imgadm knows `files[0]` alone, and aborts where its size is no number. */
function firstFileOf(manifest: Entry): { size: number; sha1: string } {
  const file: unknown = Array.isArray(manifest['files']) ? manifest['files'][0] : undefined;
  const { size, sha1 } = isEntry(file) ? file : {};
  if (typeof size !== 'number' || typeof sha1 !== 'string') {
    throw new ImgadmError(
      'BadManifest',
      `${String(manifest['uuid'])} has no files[0] with size and sha1: imgadm aborts`,
    );
  }
  return { size, sha1 };
}
