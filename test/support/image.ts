/** One image: a manifest as an IMGAPI v2 server writes it, with bytes that fit its sha1. Pure: the same call gives the same image. */
import { createHash } from 'node:crypto';
import { isImageUuid, isSha1Hex } from '../../src/imgapi/ids.ts';
import type { ImageUuid, Sha1Hex } from '../../src/imgapi/ids.ts';
import { createSeededBytes, digestsOf, windowsOf } from './image-bytes.ts';
import type { ByteSource, Digests } from './image-bytes.ts';
import { makePngIcon } from './png-icon.ts';

export interface TestFile extends ByteSource {
  readonly sha1: Sha1Hex;
  /** Base64, as in Content-MD5. */
  readonly md5: string;
  /** All the bytes in one new Buffer. For big files prefer `read`, or `Readable.from(windowsOf(file))`. */
  bytes(): Buffer;
}

export interface TestIcon {
  readonly bytes: Buffer;
  readonly contentType: string;
}

export interface TestImage {
  readonly uuid: ImageUuid;
  /** The v2 manifest, its fields in the order the real server writes them. */
  readonly manifest: Record<string, unknown>;
  readonly files: readonly TestFile[];
  readonly icon: TestIcon | undefined;
}

export interface MakeImageOptions {
  /** Default `test-image`. */
  readonly name?: string;
  /** Default `1.0.0`. Real catalogs hold numbers too. */
  readonly version?: string | number;
  /** Decides uuid, bytes and date. Default: name and version, so images with different names differ. */
  readonly seed?: number | string;
  /** Decides the bytes alone: two images of one `contentSeed` and size share a SHA-1. Default: the seed. */
  readonly contentSeed?: number | string;
  /** Default: from the seed. */
  readonly uuid?: string;
  /** Bytes of file 0; file N has N bytes more. Default 300,001: some chunks, and a rest. 1 GB costs about 2.5 s of hashing. */
  readonly size?: number;
  /** How many files. Default 1. */
  readonly files?: number;
  readonly origin?: TestImage | string;
  /** Default `active`. */
  readonly state?: string;
  /** Default `zone-dataset`. */
  readonly type?: string;
  /** Default `smartos`. */
  readonly os?: string;
  readonly owner?: string;
  /** Default true. */
  readonly public?: boolean;
  /** Default: some day of 2020 to 2023, from the seed. */
  readonly publishedAt?: string;
  /** Only on servers that have channels; see `startImageServer`. */
  readonly channels?: readonly string[];
  readonly tags?: Readonly<Record<string, unknown>>;
  /** True: the image has a PNG icon of its own. */
  readonly icon?: boolean;
  /** Laid over the finished manifest: more fields, or wrong ones. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

const NO_OWNER = '00000000-0000-0000-0000-000000000000';
const DAY_MS = 86_400_000;
// Hashing 200 MB takes 0.5 s, and benches make the same image again and again.
const MAX_REMEMBERED_DIGESTS = 200;
const digestsByContent = new Map<string, Digests>();

/** One image. See MakeImageOptions for the defaults. */
export function makeImage(options: MakeImageOptions = {}): TestImage {
  const name = options.name ?? 'test-image';
  const version = options.version ?? '1.0.0';
  const seed = String(options.seed ?? `${name}@${version}`);
  const hash = createHash('sha1').update(`image ${seed}`).digest();
  const uuid = options.uuid ?? uuidFrom(hash);
  if (!isImageUuid(uuid)) throw new TypeError(`not an image uuid: ${uuid}`);
  const state = options.state ?? 'active';
  const size = options.size ?? 300_001;
  const files = Array.from({ length: options.files ?? 1 }, (_, index) =>
    makeFile(`${options.contentSeed ?? seed}/${index}`, size + index),
  );
  const origin = typeof options.origin === 'object' ? options.origin.uuid : options.origin;
  const daysAfter2020 = hash.readUInt16BE(16) % 1400;
  const manifest = {
    v: 2,
    uuid,
    owner: options.owner ?? NO_OWNER,
    name,
    version,
    state,
    disabled: state === 'disabled',
    public: options.public ?? true,
    published_at: options.publishedAt ?? new Date(Date.UTC(2020, 0, 1) + daysAfter2020 * DAY_MS).toISOString(),
    type: options.type ?? 'zone-dataset',
    os: options.os ?? 'smartos',
    ...(origin === undefined ? {} : { origin }),
    files: files.map((file) => ({ sha1: file.sha1, size: file.size, compression: 'gzip' })),
    description: `A test image named ${name}.`,
    ...(options.icon === true ? { icon: true } : {}),
    ...(options.tags === undefined ? {} : { tags: options.tags }),
    ...(options.channels === undefined ? {} : { channels: options.channels }),
    ...options.extra,
  };
  const icon = options.icon === true ? { bytes: makePngIcon(hash), contentType: 'image/png' } : undefined;
  return { uuid, manifest, files, icon };
}

function makeFile(contentSeed: string, size: number): TestFile {
  const source = createSeededBytes(contentSeed, size);
  const { sha1, md5 } = rememberedDigests(`${contentSeed}:${size}`, source);
  if (!isSha1Hex(sha1)) throw new TypeError(`not a sha1: ${sha1}`);
  return { ...source, sha1, md5, bytes: () => Buffer.concat([...windowsOf(source)]) };
}

function rememberedDigests(content: string, source: ByteSource): Digests {
  const known = digestsByContent.get(content);
  if (known !== undefined) return known;
  const digests = digestsOf(source);
  const isWorthIt = source.size >= 1_000_000 && digestsByContent.size < MAX_REMEMBERED_DIGESTS;
  if (isWorthIt) digestsByContent.set(content, digests);
  return digests;
}

function uuidFrom(hash: Buffer): string {
  const hex = hash.toString('hex');
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`];
  return [...groups, hex.slice(20, 32)].join('-');
}
