/** Brings a bundle's contents into the store's directory, unseen, and checks them there. */
import type { FileHandle } from 'node:fs/promises';
import { storageError } from '../blobs/errno.ts';
import type { Reservation, SpaceKeeper } from '../blobs/reservation.ts';
import type { BlobFacts, DiskBlobStore, StagedFile } from '../blobs/store.ts';
import { IMPORTED } from '../config/reserved-names.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { isRight, MAX_BEHIND_BYTES, requireRight } from './check-contents.ts';
import { copySpans } from './copy-spans.ts';
import type { ContentEntry, OpenBundle } from './read-bundle.ts';
import type { SpanDigester, SpanDigests } from './span-digester.ts';
import { createSyncBehind, type SyncBehind } from './sync-behind.ts';
import { createVerdicts } from './verdicts.ts';

export interface StageDeps {
  readonly blobs: Pick<DiskBlobStore, 'stage'>;
  readonly space: Pick<SpaceKeeper, 'reserve'>;
  readonly digester: SpanDigester;
  /** ms since the epoch. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** So many more bytes are done. */
  readonly onBytes: (bytes: number) => void;
}

/** Files that wait for the others. Ends by one of its three. */
export interface StagedContents {
  /** Makes blobs of all. @throws MirrorError InternalError on a storage error: some are blobs then */
  publish(): Promise<void>;
  /** Leaves them for another import to go on with. */
  keep(): void;
  discard(): Promise<void>;
  /** Copies and checks everything. @throws MirrorError BundleRefused, or of the storage; the signal's reason */
  fill(): Promise<void>;
}

interface Place {
  readonly entry: ContentEntry;
  readonly staged: StagedFile;
  readonly reservation: Reservation;
  facts?: BlobFacts;
}

/** Takes room for all entries before the first byte. @throws MirrorError StorageFailed if there is not enough */
export async function stageContents(
  bundle: OpenBundle,
  entries: readonly ContentEntry[],
  deps: StageDeps,
): Promise<StagedContents> {
  const files: StagedFile[] = [];
  const reservations: Reservation[] = [];
  const release = (): void => {
    for (const reservation of reservations) reservation.release();
    for (const file of files) file.keep();
  };
  try {
    // All of them first: what an earlier import has left is not to be removed to make room for the rest of it.
    for (const { file } of entries) files.push(await deps.blobs.stage(file.sha1));
    const places: Place[] = [];
    for (const [at, entry] of entries.entries()) {
      const staged = files[at];
      const reservation = await deps.space.reserve(entry.size, entry.file.sha1);
      if (reservation === undefined || staged === undefined) throw noRoom(entries);
      reservations.push(reservation);
      reservation.consumed(staged.existingBytes);
      places.push({ entry, staged, reservation });
    }
    return stagedContents(bundle, places, deps, release);
  } catch (error) {
    release();
    throw error;
  }
}

function noRoom(entries: readonly ContentEntry[]): MirrorError {
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  return new MirrorError('StorageFailed', `there is no room for the bundle: ${bytes} bytes are to be stored`);
}

function stagedContents(
  bundle: OpenBundle,
  places: readonly Place[],
  deps: StageDeps,
  release: () => void,
): StagedContents {
  return {
    async fill() {
      const verdicts = createVerdicts();
      try {
        for (const place of places) await verdicts.add((await fillOne(bundle, place, deps)).verdict);
      } finally {
        // None may be at work on a file when all are let go of.
        await verdicts.drain();
      }
      await verdicts.settle();
    },
    async publish() {
      try {
        for (const { staged, facts, reservation } of places) {
          if (facts === undefined) throw new MirrorError('InternalError', `${staged.sha1} is not checked`);
          await staged.publish(facts);
          reservation.release();
        }
      } finally {
        release();
      }
    },
    keep: release,
    async discard() {
      for (const { staged } of places) await staged.discard();
      release();
    },
  };
}

/** Resolves when all of it is copied, with what is still to be waited for; an object, or it would be waited for at once. */
async function fillOne(
  bundle: OpenBundle,
  place: Place,
  deps: StageDeps,
): Promise<{ readonly verdict: Promise<void> }> {
  const { entry, staged } = place;
  const existing = staged.existingBytes > entry.size ? 0 : staged.existingBytes;
  const handle = await staged.open();
  const syncBehind = createSyncBehind();
  try {
    await handle.truncate(existing);
    let copied = await copyFrom(existing, { handle, syncBehind }, bundle, place, deps);
    // What was left there may be what is wrong; then it is the bundle's turn, whole.
    if (existing > 0 && !isRight(entry.file, await copied.digests)) {
      deps.onBytes(-entry.size);
      copied = await copyFrom(0, { handle, syncBehind }, bundle, place, deps);
    }
    return { verdict: accept(place, { handle, syncBehind }, copied.digests, deps) };
  } catch (error) {
    await syncBehind.settle().catch(ignoreSync);
    await handle.close();
    deps.signal.throwIfAborted();
    throw storageError('a file of the bundle could not be stored', error, { sha1: staged.sha1 });
  }
}

/** Something else has failed before, and is told of. */
function ignoreSync(): void {}

interface Output {
  readonly handle: FileHandle;
  readonly syncBehind: SyncBehind;
}

/** Closes the handle. */
async function accept(
  place: Place,
  { handle, syncBehind }: Output,
  hashing: Promise<SpanDigests>,
  { now }: StageDeps,
): Promise<void> {
  try {
    const digests = await hashing;
    requireRight(place.entry, digests);
    // Here, while the next one is copied, and not one after the other when all are published.
    await syncBehind.settle();
    await handle.datasync();
    const { sha1, size, sha256 } = place.entry.file;
    const { md5 = '' } = digests;
    place.facts = { sha1, size, md5, sha256, source: IMPORTED, arrivedAt: new Date(now()).toISOString() };
  } catch (error) {
    throw storageError('a file of the bundle could not be stored', error, { sha1: place.staged.sha1 });
  } finally {
    await syncBehind.settle().catch(ignoreSync);
    await handle.close();
  }
}

/** Copies what is behind `existing`. The bytes in the staged file are what is hashed, those before it too. */
async function copyFrom(
  existing: number,
  { handle, syncBehind }: Output,
  { volumes }: OpenBundle,
  { entry, staged, reservation }: Place,
  { digester, signal, onBytes }: StageDeps,
): Promise<{ readonly digests: Promise<SpanDigests> }> {
  const { size, dataOffset } = entry;
  const spans = [{ path: staged.path, from: 0, length: size }];
  const copying = digester.start(spans, ['sha1', 'sha256'], { spans: volumes.spans(dataOffset, size), existing });
  // MD5 alone costs as much as all the rest, and is not known from anybody to be trusted.
  const following = digester.start(spans, ['md5']);
  let done = 0;
  const onCopied = async (to: number): Promise<void> => {
    following.advance(to);
    await following.untilBehindBy(MAX_BEHIND_BYTES);
    if (to > existing) await syncBehind.wrote(handle, to - Math.max(existing, done));
    reservation.consumed(to);
    onBytes(to - done);
    done = to;
  };
  try {
    await copySpans({ copying, size, signal, onCopied });
    const digests = Promise.all([copying.digests, following.digests]).then(([first, md5]) => ({ ...first, ...md5 }));
    // It may be left alone, where an earlier file turns out to be wrong.
    digests.catch(() => {});
    return { digests };
  } catch (error) {
    await Promise.all([copying.cancel(), following.cancel()]);
    throw error;
  }
}
