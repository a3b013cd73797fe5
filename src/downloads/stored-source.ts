/** A blob that is on disk, as a ByteSource. */
import { MirrorError } from '../imgapi/errors.ts';
import type { OpenBlob } from '../blobs/store.ts';
import type { ByteSource } from './byte-source.ts';

/** Takes over the blob's descriptor and closes it with the source. */
export function createStoredSource(blob: OpenBlob): ByteSource {
  const { handle, facts } = blob;
  return {
    size: facts.size,
    // All of it was checked when it arrived.
    endAt() {},
    ready: () => undefined,
    async read(buffer, position, length) {
      const { bytesRead } = await handle.read(buffer, 0, length, position);
      // The size was right when it was opened: somebody has cut the file since.
      if (bytesRead === 0) throw new MirrorError('InternalError', `blob ${facts.sha1} ended at byte ${position}`);
      // Bytes found wrong must not end cleanly, also where the client had the first of them.
      if (blob.isRotten()) throw new MirrorError('InternalError', `blob ${facts.sha1} was found rotten meanwhile`);
      return bytesRead;
    },
    async close() {
      await handle.close();
    },
  };
}
