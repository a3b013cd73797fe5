import { mkdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../blobs/durable-file.ts';
import { errnoOf, storageError } from '../blobs/errno.ts';
import { isJsonObject, parseJson, readSmallFile } from '../blobs/json-file.ts';
import { createKeyedLock } from '../blobs/keyed-lock.ts';
import { namesIn } from '../blobs/names-in.ts';
import type { Log } from '../config/log.ts';
import { IMPORTED } from '../config/reserved-names.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { isImageUuid, isSha1Hex } from '../imgapi/ids.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';

/** What must outlive every upstream for a cached image to be listed and served. */
export interface KeptManifest {
  /** The name of the upstream it came from. */
  readonly upstream: string;
  /** ISO 8601: when it was first fetched in this form. */
  readonly fetchedAt: string;
  /** As its upstream wrote it; `uuid` names the file it is kept in. */
  readonly manifest: ManifestJson;
  /** `contentType`: what was said of it; `iconTypeOf` tells what it is served as. */
  readonly icon?: { readonly sha1: Sha1Hex; readonly size: number; readonly contentType: string };
  readonly trust?: KeptTrust;
}

/** What must not be lost with the records of an image that is here: since when it is trusted, and who contradicts it. */
export interface KeptTrust {
  /** ISO 8601: when its files were first seen, or accepted. */
  readonly firstSeenAt: string;
  readonly contradictions?: readonly KeptContradiction[];
}

/** What an upstream says of the image instead. */
export interface KeptContradiction {
  readonly upstream: string;
  /** ISO 8601: since when. */
  readonly since: string;
  /** Whether a list said so, or the answer to a look-up. */
  readonly origin: 'list' | 'lookup';
  readonly manifest: ManifestJson;
}

/** `<cache-dir>/manifests/<uuid>.json`, one for each cached image. */
export interface KeptManifests {
  /**
   * Undefined if there is none, or if its file is unsound (logged once).
   * @throws MirrorError InternalError if it could not be read.
   */
  get(uuid: ImageUuid): Promise<KeptManifest | undefined>;
  /**
   * Keeps it, durably. Nothing is written where only `fetchedAt` differs from what is kept.
   * @throws MirrorError InternalError on a storage error, or if its uuid is none.
   */
  put(kept: KeptManifest): Promise<void>;
  /** All that are sound and readable, in no order; the others are logged and left out. */
  all(): AsyncIterable<KeptManifest>;
}

/** Kept manifests that can be let go of, when nothing of their image is stored any more. */
export interface RemovableManifests extends KeptManifests {
  /**
   * Removes one, if `isUnwanted` still says so when no other change of it is under way.
   * @returns whether it was there and is gone. @throws MirrorError InternalError on a storage error
   */
  remove(uuid: ImageUuid, isUnwanted: () => boolean): Promise<boolean>;
}

// A manifest is some 2 KB. One above this is not ours, and is not read into memory.
const MAX_BYTES = 4 * 1024 * 1024;
// Unsound files that are remembered as complained about.
const MAX_COMPLAINTS = 1_000;

/** `dir` is the cache directory. */
export function createKeptManifests(
  deps: { readonly log: Log },
  options: { readonly dir: string },
): RemovableManifests {
  const { log } = deps;
  const dir = join(options.dir, 'manifests');
  const lock = createKeyedLock();
  const complained = new Set<string>();

  const pathOf = (uuid: unknown): string => {
    // Checked here too, although the type says it: this is where a string becomes a path.
    if (!isImageUuid(uuid))
      throw new MirrorError('InternalError', 'a manifest is kept under a uuid only', { details: { uuid } });
    return join(dir, `${uuid}.json`);
  };

  const get = async (uuid: ImageUuid): Promise<KeptManifest | undefined> => {
    const path = pathOf(uuid);
    let text;
    try {
      text = await readSmallFile(path, MAX_BYTES);
    } catch (error) {
      throw storageError('a kept manifest could not be read', error, { path });
    }
    if (text === undefined) return undefined;
    const value = parseJson(text);
    if (isKeptManifest(value) && value.manifest['uuid'] === uuid) return value;
    if (!complained.has(uuid) && complained.size < MAX_COMPLAINTS) {
      complained.add(uuid);
      log.warn({ path }, 'kept manifest is unsound and counts as absent');
    }
    return undefined;
  };

  return {
    get,
    async put(kept) {
      const { uuid } = kept.manifest;
      const path = pathOf(uuid);
      if (!isImageUuid(uuid)) return;
      // Writers of one file take turns: they share its temporary name.
      await lock.run(uuid, async () => {
        const before = await get(uuid);
        if (before !== undefined && contentOf(before) === contentOf(kept)) return;
        try {
          await mkdir(dir, { recursive: true });
          await replaceFile(path, `${JSON.stringify(kept, undefined, 2)}\n`);
          complained.delete(uuid);
        } catch (error) {
          throw storageError('a manifest could not be kept', error, { path });
        }
      });
    },
    async remove(uuid, isUnwanted) {
      const path = pathOf(uuid);
      return lock.run(uuid, async () => {
        if (!isUnwanted()) return false;
        try {
          await unlink(path);
          // Not synced: one that comes back after a power cut is found without blobs, and goes again.
          return true;
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') return false;
          throw storageError('a kept manifest could not be removed', error, { path });
        }
      });
    },
    async *all() {
      for (const name of await namesIn(dir, 'the kept manifests')) {
        const uuid = name.slice(0, -'.json'.length);
        if (!name.endsWith('.json') || !isImageUuid(uuid)) continue;
        try {
          const kept = await get(uuid);
          if (kept !== undefined) yield kept;
        } catch (error) {
          // One unreadable file must not hide the others from an offline site.
          log.error({ uuid, err: error }, 'kept manifest could not be read and is left out');
        }
      }
    },
  };
}

/** Whose an image is from now on: one that came in a bundle stays in the list of those, whoever else serves it. */
export function keptUpstream(before: KeptManifest | undefined, upstream: string): string {
  return before?.upstream === IMPORTED ? IMPORTED : upstream;
}

function contentOf({ upstream, manifest, icon, trust }: KeptManifest): string {
  return JSON.stringify([upstream, manifest, icon, trust]);
}

function isKeptManifest(value: unknown): value is KeptManifest {
  if (!isJsonObject(value)) return false;
  const { upstream, fetchedAt, manifest, icon, trust } = value;
  return (
    (trust === undefined || isKeptTrust(trust)) &&
    typeof upstream === 'string' &&
    typeof fetchedAt === 'string' &&
    !Number.isNaN(Date.parse(fetchedAt)) &&
    isJsonObject(manifest) &&
    (icon === undefined ||
      (isJsonObject(icon) &&
        isSha1Hex(icon['sha1']) &&
        Number.isSafeInteger(icon['size']) &&
        typeof icon['contentType'] === 'string'))
  );
}

function isKeptTrust(value: unknown): value is KeptTrust {
  if (!isJsonObject(value)) return false;
  const { firstSeenAt, contradictions = [] } = value;
  return isTime(firstSeenAt) && Array.isArray(contradictions) && contradictions.every(isKeptContradiction);
}

/** True for what `KeptContradiction` describes; its manifest is not checked. */
export function isKeptContradiction(value: unknown): value is KeptContradiction {
  if (!isJsonObject(value)) return false;
  const { upstream, since, origin, manifest } = value;
  return (
    typeof upstream === 'string' &&
    isTime(since) &&
    (origin === 'list' || origin === 'lookup') &&
    isJsonObject(manifest)
  );
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
