/** Hashes a bundle's files where they lie: for `verify`, and for what an import has already. */
import type { ContentEntry, OpenBundle } from './read-bundle.ts';
import { refusedBundle } from './refused.ts';
import type { SpanDigester, SpanDigests } from './span-digester.ts';
import { spansOf } from './volumes.ts';

export interface CheckDeps {
  readonly digester: SpanDigester;
  readonly signal: AbortSignal;
  /** So many more bytes are done. */
  readonly onBytes: (bytes: number) => void;
}

/** What may be there and not hashed. */
export const MAX_BEHIND_BYTES = 64 * 1024 * 1024;
const STEP_BYTES = 16 * 1024 * 1024;

/** @throws MirrorError BundleRefused if the contents of an entry are not what the index says; the signal's reason. */
export async function checkContent(bundle: OpenBundle, entry: ContentEntry, deps: CheckDeps): Promise<void> {
  const { digester, signal, onBytes } = deps;
  const spans = spansOf(bundle.volumes.volumes, entry.dataOffset, entry.size);
  // Two threads read it both: reading costs a quarter of what hashing does.
  const jobs = [digester.start(spans, ['sha1']), digester.start(spans, ['sha256'])];
  try {
    for (let at = 0; at < entry.size; at += STEP_BYTES) {
      signal.throwIfAborted();
      const upTo = Math.min(entry.size, at + STEP_BYTES);
      for (const job of jobs) job.advance(upTo);
      for (const job of jobs) await job.untilBehindBy(MAX_BEHIND_BYTES);
      onBytes(upTo - at);
    }
    const [sha1, sha256] = await Promise.all(jobs.map(async (job) => job.digests));
    requireRight(entry, { ...sha1, ...sha256 });
  } finally {
    await Promise.all(jobs.map(async (job) => job.cancel()));
  }
}

/** @throws MirrorError BundleRefused */
export function requireRight({ name, file }: ContentEntry, { sha1, sha256 }: SpanDigests): void {
  if (!isRight(file, { sha1, sha256 })) {
    throw refusedBundle(
      `${name} is damaged: its SHA-1 is ${sha1} and its SHA-256 ${sha256}, due are ${file.sha1} and ${file.sha256}`,
    );
  }
}

export function isRight(
  due: { readonly sha1: string; readonly sha256: string },
  found: { readonly sha1?: string | undefined; readonly sha256?: string | undefined },
): boolean {
  return found.sha1 === due.sha1 && found.sha256 === due.sha256;
}
