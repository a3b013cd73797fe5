/** Triton's own IMGAPI client (`sdc-clients` 13, CommonJS, callbacks) with promises and deadlines around it. */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { IncomingHttpHeaders } from 'node:http';

/** The callbacks' response: a node IncomingMessage, of which the tests need the head. */
interface SdcResponse {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
}

type Callback<T> = (error: Error | null, value: T, response: SdcResponse) => void;
type FileCallback = (error: Error | null, response: SdcResponse) => void;

/** The methods used here, by hand: the package has no types. */
interface RawImgapi {
  readonly rawClient: { get(options: object, callback: (error: Error | null, request: EventEmitter) => void): void };
  ping(callback: Callback<unknown>): void;
  listImages(filters: object, callback: Callback<SdcManifest[]>): void;
  getImage(uuid: string, callback: Callback<SdcManifest>): void;
  getImageFile(uuid: string, path: string, account: undefined, options: object, callback: FileCallback): void;
  getImageIcon(uuid: string, path: string, account: undefined, options: object, callback: FileCallback): void;
  listChannels(options: object, callback: Callback<SdcManifest[]>): void;
  close(): void;
}

type ImgapiConstructor = new (options: { url: string; agent?: boolean } & SdcClientOptions) => RawImgapi;

export type SdcManifest = Readonly<Record<string, unknown>>;

export interface SdcClientOptions {
  readonly url: string;
  readonly channel?: string;
  /** Accept-Version. The library's default is `*`. */
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SdcClient {
  ping(): Promise<unknown>;
  /** Without a `limit` it pages through everything, 1000 at a time. */
  listImages(filters?: Readonly<Record<string, string | number | boolean>>): Promise<SdcManifest[]>;
  getImage(uuid: string): Promise<SdcManifest>;
  /** Saves to a path; rejects with code `ChecksumError` unless Content-MD5 is there and right. */
  getImageFile(uuid: string, path: string, options?: { readonly index?: number }): Promise<SdcResponse>;
  /** As getImageFile. */
  getImageIcon(uuid: string, path: string): Promise<SdcResponse>;
  listChannels(): Promise<SdcManifest[]>;
  close(): void;
}

/**
 * Errors carry the server's `statusCode`, `body.code` and `message`. A body that breaks off leaves the library waiting for ever, so each call
 * rejects after `deadlineMs` (default 15,000).
 */
export function createSdcClient(options: SdcClientOptions, deadlineMs = 15_000): SdcClient {
  const Imgapi = loadImgapi();
  const client = new Imgapi(options);
  nameMissingContentMd5(client);
  const call = <T>(name: string, start: (callback: (error: Error | null, value: T) => void) => void): Promise<T> =>
    withDeadline(name, deadlineMs, start);
  return {
    ping: () => call('ping', (done) => client.ping(done)),
    listImages: (filters = {}) => call('listImages', (done) => client.listImages({ ...filters }, done)),
    getImage: (uuid) => call('getImage', (done) => client.getImage(uuid, done)),
    getImageFile: (uuid, path, fileOptions = {}) =>
      call('getImageFile', (done) => client.getImageFile(uuid, path, undefined, fileOptions, done)),
    getImageIcon: (uuid, path) => call('getImageIcon', (done) => client.getImageIcon(uuid, path, undefined, {}, done)),
    listChannels: () => call('listChannels', (done) => client.listChannels({}, done)),
    close: () => client.close(),
  };
}

/**
 * Where Content-MD5 is missing the library fails an assertion inside an event handler, which would end the whole test run. A header
 * that says so makes its comparison fail instead: a ChecksumError like for a wrong one.
 */
function nameMissingContentMd5(client: RawImgapi): void {
  const { rawClient } = client;
  const get = rawClient.get.bind(rawClient);
  rawClient.get = (options, callback) =>
    get(options, (error, request) => {
      request?.prependOnceListener('result', (_error: unknown, response: SdcResponse | undefined) => {
        if (response !== undefined && response !== null) response.headers['content-md5'] ??= 'missing';
      });
      callback(error, request);
    });
}

/** Loaded on first use: it takes 0.2 s and pulls in half of an old npm. */
function loadImgapi(): ImgapiConstructor {
  const loaded: unknown = createRequire(import.meta.url)('sdc-clients/lib/imgapi');
  if (!isConstructor(loaded)) throw new TypeError('sdc-clients/lib/imgapi is no constructor');
  return loaded;
}

function isConstructor(value: unknown): value is ImgapiConstructor {
  return typeof value === 'function';
}

async function withDeadline<T>(
  name: string,
  deadlineMs: number,
  start: (callback: (error: Error | null, value: T) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(
    () => reject(new Error(`sdc-clients ${name} gave nothing for ${deadlineMs} ms`)),
    deadlineMs,
  );
  try {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
