/** The bytes of one file as a response reads them: stored, or still growing. The sender knows nothing else. */

export interface ByteSource {
  /** The whole file, in bytes. */
  readonly size: number;
  /**
   * Says that the reader stops at `end` (exclusive; the whole file by default), before it reads. What is withheld of a
   * growing file is then withheld before `end`: a part, too, must not end cleanly on bytes nobody has checked.
   */
  endAt(end: number): void;
  /**
   * Undefined if there are bytes at `position` now, else resolves when there are. Rejects as `read` does. For a reader
   * that wants to hold no buffer while it waits.
   */
  ready(position: number, signal: AbortSignal): Promise<void> | undefined;
  /**
   * Reads up to `length` bytes at `position` into `buffer`, and waits until there is at least one.
   * Rejects when the bytes will never come (the download failed) or `signal` aborts. Never resolves with 0.
   */
  read(buffer: Buffer, position: number, length: number, signal: AbortSignal): Promise<number>;
  /** Lets go of it; to be called once, however the reading ended. */
  close(): Promise<void>;
}
