/** `verify`: checks a bundle, whole, without taking anything of it. Needs no mirror. */
import { checkContent } from '../bundle/check-contents.ts';
import { entriesOf } from '../bundle/bundle-index.ts';
import { openBundle, type OpenBundle, type SignatureState } from '../bundle/read-bundle.ts';
import { readTrustedKey } from '../bundle/signing.ts';
import { createSpanDigester } from '../bundle/span-digester.ts';
import { createBundleProgress } from './bundle-progress.ts';
import type { Operation } from './operation.ts';

/** Paths are absolute, on the mirror's machine. */
export interface VerifyInput {
  /** The file, its first volume, or the name that the volumes have in common. */
  readonly bundle: string;
  /** An Ed25519 public key in PEM: what it has not signed is refused. */
  readonly trust?: string;
}

/** What a sound bundle is. */
export interface BundleSummary {
  /** SHA-256 of the index. */
  readonly id: string;
  /** The id of the older bundle it adds to. */
  readonly since: string | null;
  /** Listed; `unchanged` of them are in the older bundle only. */
  readonly images: number;
  readonly unchanged: number;
  /** Files of images and icons that are in it. */
  readonly files: number;
  /** Of the whole bundle. */
  readonly bytes: number;
  readonly volumes: number;
  readonly signature: SignatureState;
}

export type VerifyResult = BundleSummary;

export interface VerifyDeps {
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
}

export function createVerify({ monotonicNow }: VerifyDeps): Operation<VerifyInput, VerifyResult> {
  return {
    async run({ bundle: path, trust }, { signal, onEvent }) {
      const trusted = trust === undefined ? undefined : await readTrustedKey(trust);
      const bundle = await openBundle(path, trusted, signal);
      const digester = createSpanDigester();
      try {
        const progress = createBundleProgress({ monotonicNow, onEvent }, contentBytesOf(bundle));
        const onBytes = (bytes: number): void => progress.add(bytes);
        for (const entry of bundle.contents) await checkContent(bundle, entry, { digester, signal, onBytes });
        progress.tell();
        return summaryOf(bundle);
      } finally {
        await digester.close();
        await bundle.volumes.close();
      }
    },
  };
}

export function summaryOf({ index, id, contents, layout, volumes, signature }: OpenBundle): BundleSummary {
  return {
    id,
    since: index.since,
    images: index.images.length,
    unchanged: index.images.filter((image) => entriesOf(image).length === 0).length,
    files: contents.length,
    bytes: layout.totalBytes,
    volumes: volumes.volumes.length,
    signature,
  };
}

/** Bytes of what is hashed last: all but index and manifests. */
export function contentBytesOf({ contents }: OpenBundle): number {
  return contents.reduce((sum, { size }) => sum + size, 0);
}
