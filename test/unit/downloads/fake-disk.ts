/** A blob store, its files and its hashing in memory, with every failure and every wait in the hands of the test. */
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Digester, Digests } from '../../../src/blobs/digester.ts';
import type { BlobFacts, BlobStore, OpenBlob, PartialFile } from '../../../src/blobs/store.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { sha1Of, type Sha1Hex } from '../../../src/imgapi/ids.ts';

/** A file in memory that counts how it is used. */
export interface FakeFile {
  readonly handle: FileHandle;
  /** What is in it. */
  readonly bytes: Buffer;
  readonly writes: readonly { readonly position: number; readonly length: number }[];
  closes: number;
  /** Most bytes one write takes; more is a short write. */
  maxWriteBytes: number;
  /** Thrown by the next write. */
  writeError: Error | undefined;
  /** Every write waits for it. */
  gate: Promise<void>;
}

export function createFakeFile(): FakeFile {
  // A real file without a name stands behind it, for readers that go by the descriptor.
  const fd = openUnnamed();
  let content = Buffer.alloc(0);
  const writes: { position: number; length: number }[] = [];
  function assertOpen(): void {
    if (file.closes > 0) throw new Error('EBADF: the descriptor is closed');
  }
  const handle = {
    get fd() {
      return file.closes > 0 ? -1 : fd;
    },
    async write(buffer: Buffer, offset: number, length: number, position: number) {
      // The bytes are looked at after the wait, as the kernel does it.
      await file.gate;
      await turn();
      assertOpen();
      const error = file.writeError;
      if (error !== undefined) throw error;
      const taken = Math.min(length, file.maxWriteBytes);
      if (position > content.length) throw new Error(`a hole at ${content.length}`);
      const piece = buffer.subarray(offset, offset + taken);
      content = Buffer.concat([content.subarray(0, position), piece, content.subarray(position + taken)]);
      writeSync(fd, piece, 0, taken, position);
      writes.push({ position, length: taken });
      return { bytesWritten: taken, buffer };
    },
    async read(buffer: Buffer, offset: number, length: number, position: number) {
      await turn();
      assertOpen();
      return { bytesRead: content.copy(buffer, offset, position, position + length), buffer };
    },
    readFile: async () => Buffer.from(content),
    async close() {
      file.closes += 1;
      if (file.closes === 1) closeSync(fd);
      await turn();
    },
  };
  const file: FakeFile = {
    handle: asFileHandle(handle),
    get bytes() {
      return content;
    },
    writes,
    closes: 0,
    maxWriteBytes: Infinity,
    writeError: undefined,
    gate: Promise.resolve(),
  };
  return file;
}

export interface FakeBlobs extends BlobStore {
  /** The files of all partials, in the order they were begun. */
  readonly partials: FakeFile[];
  readonly stored: Map<Sha1Hex, { readonly bytes: Buffer; readonly facts: BlobFacts }>;
  readonly quarantined: Record<string, unknown>[];
  discarded: number;
  /** Partials left for a later download. */
  kept: number;
  /** Called, and waited for, at each `open`, before the store is looked into. */
  beforeOpen: () => void | Promise<void>;
  /** Called, and waited for, after the store was looked into and before `open` answers. */
  afterLook: () => void | Promise<void>;
  /** Called with each new partial's file before it is handed out. */
  onPartial: (file: FakeFile) => void;
  commitError: Error | undefined;
  quarantineError: Error | undefined;
  /** Closes of the descriptors that `open` gave out. */
  openCloses: number;
  put(bytes: Buffer): Sha1Hex;
  /** The bytes of a partial, by its path. */
  fileAt(path: string): FakeFile | undefined;
}

export function createFakeBlobs(): FakeBlobs {
  const byPath = new Map<string, FakeFile>();
  const stored: FakeBlobs['stored'] = new Map();

  async function openStored(sha1: Sha1Hex): Promise<OpenBlob | undefined> {
    const found = stored.get(sha1);
    if (found === undefined) return undefined;
    const { handle } = createFakeFile();
    await handle.write(found.bytes, 0, found.bytes.length, 0);
    const close = handle.close.bind(handle);
    handle.close = async () => {
      blobs.openCloses += 1;
      await close();
    };
    return { facts: found.facts, handle, modifiedAt: new Date(0), isRotten: () => false };
  }

  const blobs: FakeBlobs = {
    partials: [],
    stored,
    quarantined: [],
    discarded: 0,
    kept: 0,
    beforeOpen: () => undefined,
    afterLook: () => undefined,
    onPartial: () => undefined,
    commitError: undefined,
    quarantineError: undefined,
    openCloses: 0,
    fileAt: (path) => byPath.get(path),
    put(bytes) {
      const facts = factsOf(bytes);
      stored.set(facts.sha1, { bytes, facts });
      return facts.sha1;
    },
    async open(sha1, size) {
      await blobs.beforeOpen();
      const found = await openStored(sha1);
      await blobs.afterLook();
      return found?.facts.size === size ? found : undefined;
    },
    async facts(sha1, size) {
      const facts = stored.get(sha1)?.facts;
      return facts?.size === size ? facts : undefined;
    },
    async createPartial(sha1): Promise<PartialFile> {
      await turn();
      const path = `/fake/partial/${sha1}`;
      if (byPath.has(path)) throw new MirrorError('InternalError', `a partial of ${sha1} is open already`);
      const file = createFakeFile();
      blobs.onPartial(file);
      byPath.set(path, file);
      blobs.partials.push(file);
      return {
        path,
        existingBytes: 0,
        isRotten: () => false,
        note: undefined,
        saveNote: async () => undefined,
        async keep() {
          await turn();
          if (byPath.delete(path)) blobs.kept += 1;
        },
        handle: Object.assign(file.handle, {
          writeFile: async (bytes: Buffer) => file.handle.write(bytes, 0, bytes.length, 0),
        }),
        async commit(facts) {
          await turn();
          if (blobs.commitError !== undefined) throw blobs.commitError;
          stored.set(sha1, { bytes: file.bytes, facts });
          byPath.delete(path);
        },
        async quarantine(reason) {
          await turn();
          if (blobs.quarantineError !== undefined) throw blobs.quarantineError;
          blobs.quarantined.push(reason);
          byPath.delete(path);
        },
        async discard() {
          await turn();
          if (byPath.delete(path)) blobs.discarded += 1;
        },
      };
    },
    resumePartial: async (sha1) => blobs.createPartial(sha1),
    totals: () => ({ blobs: stored.size, bytes: 0 }),
    scan: async () => undefined,
  };
  return blobs;
}

/** Hashes a fake partial when it is finished; counts the jobs that are not over. */
export function createFakeDigester(blobs: FakeBlobs): Digester & { readonly open: number; gate: Promise<void> } {
  let open = 0;
  const digester = {
    get open() {
      return open;
    },
    /** Every `finish` waits for it. */
    gate: Promise.resolve(),
    start(path: string) {
      let isOver = false;
      open += 1;
      function end(): void {
        if (!isOver) open -= 1;
        isOver = true;
      }
      return {
        advance: () => undefined,
        async finish(size: number): Promise<Digests> {
          await digester.gate;
          const bytes = blobs.fileAt(path)?.bytes ?? Buffer.alloc(0);
          end();
          if (bytes.length !== size) throw new MirrorError('InternalError', `hashed ${bytes.length} of ${size} bytes`);
          const { sha1, md5, sha256 } = factsOf(bytes);
          return { size, sha1, md5, sha256 };
        },
        cancel: end,
      };
    },
    close: async () => undefined,
  };
  return digester;
}

export function factsOf(bytes: Buffer): BlobFacts {
  const hash = (name: string, encoding: 'hex' | 'base64'): string => createHash(name).update(bytes).digest(encoding);
  const sha1 = sha1Of(bytes);
  const [md5, sha256] = [hash('md5', 'base64'), hash('sha256', 'hex')];
  return { sha1, size: bytes.length, md5, sha256, source: 'fake', arrivedAt: '2026-01-01T00:00:00.000Z' };
}

function openUnnamed(): number {
  const path = join(tmpdir(), `imgapi-mirror-test-${randomUUID()}`);
  const fd = openSync(path, 'wx+');
  unlinkSync(path);
  return fd;
}

/** A part of a FileHandle as the whole: the downloads room calls nothing else, and an absent method is a loud failure. */
function asFileHandle(handle: Pick<FileHandle, 'close'>): FileHandle {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the purpose of this function
  return handle as FileHandle;
}
