/**
 * Icons: small, named by no manifest's SHA-1, so they are fetched whole before they are served, kept as blobs, and found
 * again through the kept manifest of their image.
 */
import { createHash } from 'node:crypto';
import type { SpaceKeeper } from '../blobs/reservation.ts';
import type { BlobStore } from '../blobs/store.ts';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { iconTypeOf, type IconType } from '../imgapi/icon-type.ts';
import { sha1Of, type ImageUuid, type Sha1Hex } from '../imgapi/ids.ts';
import type { Manifest } from '../imgapi/manifest.ts';
import { keptUpstream, type KeptManifests } from '../records/kept-manifests.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createUrgency, type ChangingUrgency, type Priority, type Urgency } from '../upstream/urgency.ts';

export interface Icon {
  readonly bytes: Buffer;
  readonly contentType: IconType;
  readonly sha1: Sha1Hex;
  /** base64, as in Content-MD5. */
  readonly md5: string;
  readonly cache: 'HIT' | 'MISS' | 'JOIN';
}

export interface IconRequest {
  readonly manifest: Manifest;
  /** The name of the upstream that owns the image. */
  readonly upstream: string;
  /** The channel to name to the upstream. */
  readonly channel: string | undefined;
  readonly requestId: string;
  /** What it is for. One that is shared is a demand as soon as one of them is. Default `demand`. */
  readonly priority?: Priority;
}

export interface Icons {
  /** Undefined: its upstream has none. Throws what the upstream threw when it could not be asked. */
  get(request: IconRequest): Promise<Icon | undefined>;
  /** The icon if it is stored, without asking anybody. */
  stored(uuid: ImageUuid): Promise<Icon | undefined>;
  close(): void;
}

export interface IconsDeps {
  readonly blobs: BlobStore;
  readonly space: Pick<SpaceKeeper, 'reserve'>;
  readonly kept: KeptManifests;
  /** An upstream by its name; undefined if it is not configured (any more). */
  readonly upstreamOf: (name: string) => Upstream | undefined;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
}

export function createIcons(deps: IconsDeps): Icons {
  const running = new Map<ImageUuid, { readonly icon: Promise<Icon | undefined>; readonly urgency: ChangingUrgency }>();
  const abort = new AbortController();

  async function stored(uuid: ImageUuid): Promise<Icon | undefined> {
    const icon = (await deps.kept.get(uuid))?.icon;
    const blob = icon === undefined ? undefined : await deps.blobs.open(icon.sha1, icon.size);
    if (icon === undefined || blob === undefined) return undefined;
    try {
      const bytes = await blob.handle.readFile();
      return { bytes, contentType: iconTypeOf(icon.contentType), sha1: icon.sha1, md5: blob.facts.md5, cache: 'HIT' };
    } finally {
      await blob.handle.close();
    }
  }

  async function fetchIcon(request: IconRequest, urgency: Urgency): Promise<Icon | undefined> {
    const upstream = deps.upstreamOf(request.upstream);
    const { uuid } = request.manifest;
    if (upstream === undefined) {
      throw new MirrorError(
        'ServiceUnavailableError',
        `upstream ${request.upstream} of image ${uuid} is not configured`,
      );
    }
    const { channel, requestId } = request;
    const answer = await upstream.icon({ uuid, channel, requestId, urgency, signal: abort.signal });
    if (answer.kind === 'absent') return undefined;
    const { bytes, contentType } = answer;
    const sha1 = sha1Of(bytes);
    const icon: Icon = {
      bytes,
      contentType,
      sha1,
      md5: createHash('md5').update(bytes).digest('base64'),
      cache: 'MISS',
    };
    await store(request, icon).catch((error: unknown) => {
      // It is served from memory all the same; the next request fetches it again.
      deps.log.warn({ err: error, uuid }, 'an icon could not be stored');
    });
    return icon;
  }

  /** Without room it is not kept: the next request fetches it again. */
  async function store({ manifest, upstream }: IconRequest, icon: Icon): Promise<void> {
    const { sha1, contentType } = icon;
    const size = icon.bytes.length;
    if ((await deps.blobs.facts(sha1, size)) === undefined) {
      const room = await deps.space.reserve(size, sha1);
      if (room === undefined) return;
      try {
        await storeBlob(icon, upstream);
      } finally {
        room.release();
      }
    }
    const fetchedAt = new Date(deps.now()).toISOString();
    await deps.kept.put({
      upstream: keptUpstream(await deps.kept.get(manifest.uuid), upstream),
      fetchedAt,
      manifest: manifest.json,
      icon: { sha1, size, contentType },
    });
  }

  async function storeBlob({ bytes, sha1, md5 }: Icon, source: string): Promise<void> {
    const partial = await deps.blobs.createPartial(sha1);
    try {
      await partial.handle.writeFile(bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const arrivedAt = new Date(deps.now()).toISOString();
      await partial.commit({ sha1, size: bytes.length, md5, sha256, source, arrivedAt });
    } catch (error) {
      await partial.discard();
      throw error;
    } finally {
      await partial.handle.close();
    }
  }

  return {
    async get(request) {
      const { priority = 'demand' } = request;
      const { uuid } = request.manifest;
      const shared = running.get(uuid);
      if (shared !== undefined) {
        if (priority === 'demand') shared.urgency.upgrade();
        const icon = await shared.icon;
        return icon?.cache === 'MISS' ? { ...icon, cache: 'JOIN' } : icon;
      }
      const urgency = createUrgency(priority);
      const icon = stored(uuid)
        .catch((error: unknown) => {
          deps.log.warn({ err: error, uuid }, 'a stored icon could not be read: asked for anew');
          return undefined;
        })
        .then((found) => found ?? fetchIcon(request, urgency))
        .finally(() => running.delete(uuid));
      running.set(uuid, { icon, urgency });
      return icon;
    },
    stored,
    close: () => abort.abort(),
  };
}
