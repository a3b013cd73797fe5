/** Conflicts as operators see them, and the error a client sees where one keeps a file from being had. */
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ImageFile } from '../imgapi/manifest.ts';
import { differingIndex } from './file-facts.ts';
import type { Contradiction } from './contradictions.ts';
import type { Remembered } from './remembered.ts';

/** An image that an upstream contradicts. Plain JSON. */
export interface TrustConflict {
  readonly uuid: ImageUuid;
  /** From its manifest; null where it has none. */
  readonly name: string | null;
  readonly version: string | null;
  /** ISO 8601: since when somebody contradicts it. */
  readonly since: string;
  readonly remembered: {
    readonly upstream: string;
    /** ISO 8601: when these files were first seen or accepted. */
    readonly firstSeenAt: string;
    readonly files: readonly ImageFile[];
  };
  /** In precedence order; the first is what would be accepted. */
  readonly contradictedBy: readonly {
    readonly upstream: string;
    /** ISO 8601 */
    readonly since: string;
    readonly files: readonly ImageFile[];
  }[];
}

/** What an acceptance has changed. Plain JSON. */
export interface Accepted {
  readonly uuid: ImageUuid;
  readonly from: FileFacts;
  readonly to: FileFacts;
}

export interface FileFacts {
  readonly upstream: string;
  /** Of the first file that differs; null where this side has none there. */
  readonly sha1: Sha1Hex | null;
  readonly size: number | null;
  readonly files: readonly ImageFile[];
}

export function conflictOf(uuid: ImageUuid, remembered: Remembered, said: readonly Contradiction[]): TrustConflict {
  const json = remembered.manifest?.json ?? said[0]?.manifest.json ?? {};
  return {
    uuid,
    name: labelOf(json['name']),
    version: labelOf(json['version']),
    since: isoTime(Math.min(...said.map(({ sinceMs }) => sinceMs))),
    remembered: {
      upstream: remembered.upstream,
      firstSeenAt: isoTime(remembered.sinceMs),
      files: remembered.files,
    },
    contradictedBy: said.map(({ upstream, sinceMs, manifest }) => ({
      upstream,
      since: isoTime(sinceMs),
      files: manifest.files,
    })),
  };
}

export function acceptedOf(uuid: ImageUuid, remembered: Remembered, { upstream, manifest }: Contradiction): Accepted {
  const at = differingIndex(remembered.files, manifest.files);
  return {
    uuid,
    from: factsAt(remembered.upstream, remembered.files, at),
    to: factsAt(upstream, manifest.files, at),
  };
}

function factsAt(upstream: string, files: readonly ImageFile[], at: number): FileFacts {
  return { upstream, sha1: files[at]?.sha1 ?? null, size: files[at]?.size ?? null, files };
}

/** 503: the remembered manifest is on disk only, and cannot be read. */
export function rememberedIsLost(uuid: ImageUuid): MirrorError {
  return new MirrorError(
    'TrustConflict',
    `image ${uuid} is not what was first seen here, and what is remembered of it cannot be read; ${howToAccept(uuid)}`,
  );
}

/** 503: a file or the icon of an image in conflict cannot be had, for this reason. */
export function rememberedIsGone(uuid: ImageUuid, what: 'file' | 'icon', cause?: MirrorError): MirrorError {
  const reason = cause?.message ?? 'nobody has it';
  return new MirrorError(
    'TrustConflict',
    `an upstream now says that image ${uuid} is another than was first seen here, and its remembered ${what} cannot be ` +
      `had (${reason}); ${howToAccept(uuid)}`,
    // Where it could not even be asked for, or came wrong, that is no matter of trust.
    { cause, details: cause?.details ?? {}, isMeant: cause === undefined || cause.isMeant },
  );
}

function howToAccept(uuid: ImageUuid): string {
  return `if the change is right: imgapi-mirror accept ${uuid}`;
}

function labelOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
