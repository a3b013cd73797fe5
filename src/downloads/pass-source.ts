/** One response's way through a shared pass-through: with the others while it keeps up, alone when it has fallen behind. */
import type { ByteSource } from './byte-source.ts';
import type { PassReader, StartPoint } from './pass-through.ts';

/** `goOnAlone`: starts a pass-through for this response alone. Takes over `first`, and closes what it reads. */
export function createPassSource(
  size: number,
  first: PassReader,
  goOnAlone: (from: StartPoint) => PassReader,
): ByteSource {
  let reader = first;

  function current(): PassReader {
    const { fallen } = reader;
    if (fallen !== undefined) {
      reader.close();
      reader = goOnAlone(fallen);
    }
    return reader;
  }

  return {
    size,
    // It is always read to its end, and the tail of the whole is withheld.
    endAt() {},
    ready: (position, signal) => current().ready(position, signal),
    async read(buffer, position, length, signal) {
      let read = 0;
      while (read === 0) read = await current().read(buffer, position, length, signal);
      return read;
    },
    async close() {
      reader.close();
    },
  };
}
