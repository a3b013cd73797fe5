/**
 * Compression of JSON for the clients that ask for it, never unasked (imgadm fails on it). Bodies that are the same
 * Buffer are compressed once: the whole list costs its compression once per snapshot.
 */
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import Negotiator from 'negotiator';

export type Encoding = 'zstd' | 'br' | 'gzip';

const OFFERED: Encoding[] = ['zstd', 'br', 'gzip'];
/** Below this a compressed body is hardly smaller than its headers. */
const MIN_BYTES = 1024;

const COMPRESS: Readonly<Record<Encoding, (body: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(gzip),
  // The defaults (11 for brotli) cost seconds for a list; 5 is near gzip's time and smaller.
  br: (body) => promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  zstd: promisify(zstdCompress),
};

export interface Compressor {
  /** The encoding to answer with; undefined: as it is. */
  choose(acceptEncoding: string | undefined, body: Buffer): Encoding | undefined;
  compress(body: Buffer, encoding: Encoding): Promise<Buffer>;
}

export function createCompressor(): Compressor {
  const done = new WeakMap<Buffer, Map<Encoding, Promise<Buffer>>>();
  return {
    choose(acceptEncoding, body) {
      if (acceptEncoding === undefined || body.length < MIN_BYTES) return undefined;
      const negotiator = new Negotiator({ headers: { 'accept-encoding': acceptEncoding.toLowerCase() } });
      // Its types do not know the second parameter (negotiator 1.0): our order among what the client likes equally.
      const encodings: (available: string[], options: { preferred: string[] }) => string[] =
        negotiator.encodings.bind(negotiator);
      const [chosen] = encodings([...OFFERED, 'identity'], { preferred: OFFERED });
      return OFFERED.find((encoding) => encoding === chosen);
    },
    async compress(body, encoding) {
      const variants = done.get(body) ?? new Map<Encoding, Promise<Buffer>>();
      done.set(body, variants);
      const known = variants.get(encoding) ?? COMPRESS[encoding](body);
      variants.set(encoding, known);
      return known;
    },
  };
}
