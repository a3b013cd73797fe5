/** An upstream whose every answer is the test's, and the streams it answers with. */
import { setImmediate as turn } from 'node:timers/promises';
import { uuidOf } from '../../support/manifest-of.ts';
import { isImageUuid, type ImageUuid } from '../../../src/imgapi/ids.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type {
  FileAnswer,
  FileRequest,
  FileStream,
  IconAnswer,
  ImageRequest,
  Upstream,
  Validators,
} from '../../../src/upstream/upstream.ts';
import type { DownloadSource } from '../../../src/downloads/wanted.ts';

export interface FakeUpstream extends Upstream {
  readonly files: FileRequest[];
  readonly icons: ImageRequest[];
  /** Streams that were cancelled. */
  cancels: number;
}

async function no(): Promise<never> {
  throw new Error('this fake has no such answer');
}

type Answer<R, A> = (request: R, attempt: number) => A | Promise<A>;

export function createFakeUpstream(
  name: string,
  answers: { readonly file?: Answer<FileRequest, FileAnswer>; readonly icon?: Answer<ImageRequest, IconAnswer> } = {},
): FakeUpstream {
  const upstream: FakeUpstream = {
    name,
    url: `http://${name}.test`,
    channel: undefined,
    maxDownloads: 16,
    prefetchDownloads: 1,
    files: [],
    icons: [],
    cancels: 0,
    ping: no,
    channels: no,
    list: no,
    manifest: no,
    async icon(request) {
      upstream.icons.push(request);
      return (answers.icon ?? no)(request, upstream.icons.length);
    },
    async file(request) {
      upstream.files.push(request);
      await turn();
      request.signal.throwIfAborted();
      const answer = await (answers.file ?? no)(request, upstream.files.length);
      if (answer.kind === 'absent') return answer;
      const cancel = (): void => {
        upstream.cancels += 1;
        answer.stream.cancel();
      };
      return { kind: 'file', stream: { ...answer.stream, cancel } };
    },
    close: async () => undefined,
  };
  return upstream;
}

export interface StreamOptions {
  /** Where the body starts. Default 0: the answer is a 200. */
  readonly start?: number;
  /** Bytes per chunk. Default: all at once. */
  readonly chunkBytes?: number;
  /** Breaks off with an error before this byte of the file. */
  readonly cutAt?: number;
  readonly totalSize?: number | undefined;
  readonly contentMd5?: string;
  readonly validators?: Validators;
  /** The body waits for it before each chunk. */
  readonly gate?: (at: number) => Promise<void> | void;
}

/** A file answer with these bytes. */
export function fileOf(bytes: Buffer, options: StreamOptions = {}): FileAnswer {
  const { start = 0, chunkBytes = bytes.length, cutAt, contentMd5, validators = {} } = options;
  const totalSize = 'totalSize' in options ? options.totalSize : bytes.length;
  async function* body(): AsyncGenerator<Buffer> {
    const end = Math.min(cutAt ?? bytes.length, bytes.length);
    for (let at = start; at < end; at += chunkBytes) {
      await options.gate?.(at);
      yield bytes.subarray(at, Math.min(at + chunkBytes, end));
    }
    if (cutAt !== undefined) throw unavailable('fake', 'connect', `cut at ${cutAt}`);
  }
  const stream: FileStream = { start, totalSize, contentMd5, validators, body: body(), cancel: () => undefined };
  return { kind: 'file', stream };
}

/** An answer as an upstream with a status gives it. */
export function refusal(status: number): Error {
  return unavailable('fake', 'status', `answered ${status}`, { status });
}

export function imageUuid(n = 1): ImageUuid {
  const uuid = uuidOf(n);
  if (!isImageUuid(uuid)) throw new TypeError(uuid);
  return uuid;
}

export function sourceAt(upstream: Upstream): DownloadSource {
  return { upstream, uuid: imageUuid(), index: 0, channel: undefined };
}
