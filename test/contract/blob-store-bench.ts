/** What the suites of the blob store share. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { createBlobStore } from '../../src/blobs/store.ts';
import type { BlobFacts, BlobStore, PartialFile } from '../../src/blobs/store.ts';
import { isSha1Hex } from '../../src/imgapi/ids.ts';
import type { Sha1Hex } from '../../src/imgapi/ids.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import type { CaptureLog } from '../support/capture-log.ts';
import { makeTempDir } from '../support/temp-dir.ts';

export interface Bench {
  readonly store: BlobStore;
  readonly log: CaptureLog;
  readonly dir: string;
  /** Another store on the same data, as after a restart. */
  readonly reopen: () => BlobStore;
}

export async function openDisk(t: TestContext): Promise<Bench> {
  const dir = await makeTempDir(t);
  const log = createCaptureLog();
  const reopen = (): BlobStore => createBlobStore({ log }, { dir });
  return { store: reopen(), log, dir, reopen };
}

export function factsOf(bytes: Buffer): BlobFacts {
  const sha1 = createHash('sha1').update(bytes).digest('hex');
  assert(isSha1Hex(sha1));
  const md5 = createHash('md5').update(bytes).digest('base64');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sha1, size: bytes.length, md5, sha256, source: 'first', arrivedAt: '2026-11-01T10:00:00.000Z' };
}

export async function begin(t: TestContext, store: BlobStore, sha1: Sha1Hex): Promise<PartialFile> {
  const partial = await store.createPartial(sha1);
  t.after(() => partial.handle.close());
  return partial;
}

export async function put(t: TestContext, store: BlobStore, bytes: Buffer): Promise<BlobFacts> {
  const facts = factsOf(bytes);
  const partial = await begin(t, store, facts.sha1);
  await partial.handle.write(bytes, 0, bytes.length, 0);
  await partial.commit(facts);
  return facts;
}

export async function read(store: BlobStore, facts: BlobFacts): Promise<Buffer | undefined> {
  const opened = await store.open(facts.sha1, facts.size);
  if (opened === undefined) return undefined;
  try {
    return await opened.handle.readFile();
  } finally {
    await opened.handle.close();
  }
}

export const HELLO = Buffer.from('hello, image');
export const isInternal = { name: 'MirrorError', code: 'InternalError' };
