/**
 * The fake image server as a process of its own, so that it shares no event loop with the load generator. Forked by upstream.ts with
 * its options as JSON in the first argument; lives until its parent disconnects.
 */
import { startImageServer } from '../../test/support/image-server.ts';
import type { Behaviour } from '../../test/support/image-server.ts';
import { makeCatalog, makeImage } from '../../test/support/images.ts';
import type { TestFile, TestImage } from '../../test/support/images.ts';
import { nowMs } from './clock.ts';

export interface UpstreamOptions {
  /** One image with one file each. */
  readonly files?: readonly { readonly name: string; readonly bytes: number }[];
  /** Many small images. `oddities`: see MakeCatalogOptions. */
  readonly catalog?: { readonly seed: string; readonly count: number; readonly oddities: boolean };
  readonly behaviour?: Behaviour;
}

export interface ServedImage {
  readonly uuid: string;
  readonly sha1: string;
  readonly bytes: number;
}

export interface UpstreamCounts {
  /** Body bytes of files handed to sockets. */
  readonly bytesSent: number;
  /** `nowMs()` of the first byte of a file handed to a socket, by the image's uuid. */
  readonly firstByteAtMs: Readonly<Record<string, number>>;
}

/** `started` comes once by itself; `counts` answers each message of the parent, whatever it is. */
export type UpstreamMessage =
  | { readonly kind: 'started'; readonly url: string; readonly images: readonly ServedImage[] }
  | { readonly kind: 'counts'; readonly counts: UpstreamCounts };

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from upstream.ts alone, which has it typed
const { files = [], catalog, behaviour = {} } = JSON.parse(process.argv[2] ?? '{}') as UpstreamOptions;
const firstByteAtMs: Record<string, number> = {};

/** The bytes of offset 0 are read right before they are written: that is the moment asked for. */
function watched(image: TestImage): TestImage {
  const watch = (file: TestFile): TestFile => ({
    ...file,
    read(start, length) {
      if (start === 0) firstByteAtMs[image.uuid] ??= nowMs();
      return file.read(start, length);
    },
  });
  return { ...image, files: image.files.map(watch) };
}

const images = [
  ...files.map(({ name, bytes }) => makeImage({ name, size: bytes })),
  ...(catalog === undefined ? [] : makeCatalog(catalog.count, catalog)),
];
const server = await startImageServer({ images: images.map(watched), behaviour });

function tell(message: UpstreamMessage): void {
  process.send?.(message);
}

process.on('message', () => tell({ kind: 'counts', counts: { bytesSent: server.bytesSent, firstByteAtMs } }));
process.once('disconnect', () => process.exit());
tell({
  kind: 'started',
  url: server.url,
  images: images.map(({ uuid, files: [file] }) => ({ uuid, sha1: file?.sha1 ?? '', bytes: file?.size ?? 0 })),
});
