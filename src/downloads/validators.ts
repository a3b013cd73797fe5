/**
 * What each source's answers were validated with, so that the part of another version is not put behind what is there. It
 * saves work and no more than that: whether the bytes are right is for the SHA-1 to say.
 */
import type { NotedValidators } from '../blobs/partial-note.ts';
import type { FileStream, Validators } from '../upstream/upstream.ts';
import type { DownloadSource } from './wanted.ts';

export interface SourceValidators {
  /** Which validator of a part (206) is another than this source's bytes came with; undefined where none is. */
  changed(source: DownloadSource, stream: FileStream): 'ETag' | 'Last-Modified' | undefined;
  /** An answer of this source is taken: of the whole (200), what it says holds from now on; of a part, what was unknown. */
  take(source: DownloadSource, stream: FileStream): void;
  /** Of every source that has given any, for the note of a partial. */
  all(): readonly NotedValidators[];
}

type Place = Pick<NotedValidators, 'upstream' | 'uuid' | 'index'>;

/** A longer one is none. */
const MAX_CHARS = 200;
/** Most that are noted, the latest: a note is a small file. */
const MAX_NOTED = 50;

/** `noted`: of the bytes that are there already. */
export function createSourceValidators(noted: readonly NotedValidators[] = []): SourceValidators {
  const known = new Map<string, NotedValidators>(noted.map((one) => [keyOf(one), one]));

  return {
    changed(source, { validators }) {
      const before = known.get(keyOf(placeOf(source)));
      // The ETag, where both have one: two versions of one second share their Last-Modified.
      if (before?.etag !== undefined && validators.etag !== undefined) {
        return opaque(before.etag) === opaque(validators.etag) ? undefined : 'ETag';
      }
      if (before?.lastModified === undefined || validators.lastModified === undefined) return undefined;
      return before.lastModified === validators.lastModified ? undefined : 'Last-Modified';
    },
    take(source, { start, validators }) {
      const place = placeOf(source);
      const before = start === 0 ? undefined : known.get(keyOf(place));
      known.delete(keyOf(place));
      const now = { ...bounded(validators), ...before, ...place };
      if (now.etag !== undefined || now.lastModified !== undefined) known.set(keyOf(place), now);
    },
    all: () => [...known.values()].slice(-MAX_NOTED),
  };
}

function placeOf({ upstream, uuid, index }: DownloadSource): Place {
  return { upstream: upstream.name, uuid, index };
}

function keyOf({ upstream, uuid, index }: Place): string {
  return `${uuid} ${index} ${upstream}`;
}

/** sdc-imgapi sends its tags without the quotes that others put around them (RFC 9110, 8.8.3). */
function opaque(etag: string): string {
  return etag.replaceAll('"', '');
}

function bounded({ etag, lastModified }: Validators): Validators {
  return {
    ...(etag === undefined || etag.length > MAX_CHARS ? {} : { etag }),
    ...(lastModified === undefined || lastModified.length > MAX_CHARS ? {} : { lastModified }),
  };
}
