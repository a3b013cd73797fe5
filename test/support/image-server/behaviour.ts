/** How a fake image server misbehaves. Everything left out is as the real server does it. */

export type Route = 'ping' | 'list' | 'manifest' | 'file' | 'icon' | 'channels' | 'other';

/** One request as the server saw it. */
export interface ImageServerRequest {
  readonly method: string;
  /** The request target as sent: with its query, in absolute form where the client sent that. */
  readonly url: string;
  /** The path alone: no authority, no base path, no query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: NodeJS.Dict<string | string[]>;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  readonly route: Route;
  /** The image's uuid, in manifest, file and icon requests. */
  readonly uuid: string | undefined;
  /** 1 for the first request with this method and url, 2 for the next, ... */
  readonly attempt: number;
  /** `performance.now()` at its arrival. */
  readonly at: number;
  /** The client's port: requests on one connection share it. */
  readonly remotePort: number;
}

/**
 * `chunked`: sound, without Content-Length. `truncated`: half the JSON, ended cleanly. `cut`: half of what Content-Length said, then the
 * socket is destroyed. `not-json`: 200 with HTML. `empty`: `[]`. `object`: `{}`. `endless`: chunked entries until the client goes away.
 * `etag`: sound, with an ETag and 304 (the real server has none on lists).
 */
export type ListMode = 'chunked' | 'truncated' | 'cut' | 'not-json' | 'empty' | 'object' | 'endless' | 'etag';

/**
 * `start`, `end`, `total`: one off in Content-Range. `missing`: no Content-Range. `shifted`: sound headers, but the bytes are those one
 * place before. `unasked`: 206 for the whole of it where no range was asked for.
 */
export type RangeLie = 'start' | 'end' | 'total' | 'missing' | 'shifted' | 'unasked';

export interface Behaviour {
  /** Waits this long before it answers. */
  readonly delayHeadersMs?: number | undefined;
  /** Reads the request and never answers. */
  readonly hangHeaders?: boolean | undefined;
  /** Destroys the connection instead of answering. */
  readonly resetHeaders?: boolean | undefined;
  /** Answers 302 with this Location. */
  readonly redirectTo?: string | undefined;
  /** Answers with this status and `body`. Default body: an IMGAPI error of that status. */
  readonly status?: number | undefined;
  /** With `status`: sent as it is if a string, else as JSON. */
  readonly body?: unknown;
  /** Laid over the answer's headers, whatever the answer is; `undefined` takes one away. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;

  readonly listMode?: ListMode | undefined;
  /** Appended to the list as they are: null, strings, manifests without a uuid, ... */
  readonly extraEntries?: readonly unknown[] | undefined;
  /** At most this many per list answer, as the moray backend caps at 1000. Default: no cap. */
  readonly listCap?: number | undefined;

  /** Bytes per second of file and icon bodies. Read again for every chunk, so it can be turned while a transfer runs. */
  readonly rateBytesPerSecond?: number | undefined;
  /** Whether all bodies share the rate (a thin WAN line) or each has its own. Default `shared`. */
  readonly rateScope?: 'shared' | 'each' | undefined;
  readonly contentMd5?: 'right' | 'wrong' | 'none' | undefined;
  /** `none`: chunked. A number is sent as it is, then the true body, then the connection is closed. */
  readonly contentLength?: 'right' | 'none' | number | undefined;
  /** Destroys the socket after so many body bytes of this answer. */
  readonly cutAfterBytes?: number | undefined;
  /** Sends nothing more after so many body bytes of this answer; goes on when the knob is turned back. */
  readonly stallAfterBytes?: number | undefined;
  /** Flips a bit of the byte at this offset of the file: right length, wrong sha1. */
  readonly corruptAtByte?: number | undefined;
  /** Honours Range and If-Range with 206 and a strong, quoted ETag. The real server does not. */
  readonly supportsRange?: boolean | undefined;
  /** With `supportsRange`: what is wrong about a 206. */
  readonly rangeLie?: RangeLie | undefined;
}

/** Looks at a request and says what is special about its answer; laid over the server's own behaviour. */
export type Behave = (request: ImageServerRequest) => Behaviour | undefined;
