/** What an image's files are said to be, and whether two sayings contradict each other. PURE. */
import type { ImageFile } from '../imgapi/manifest.ts';

/**
 * How an answer stands to what is remembered. `same`: every SHA-1 and size. `extends`: files where there were none at all;
 * that is an image being activated. `contradicts`: anything else. A file that has vanished too, for clients were told that it is
 * there; and one more file behind others, for the files of an activated image are fixed (sdc-imgapi: ImageFilesImmutable).
 */
export type Relation = 'same' | 'extends' | 'contradicts';

export function relationOf(remembered: readonly ImageFile[], said: readonly ImageFile[]): Relation {
  if (remembered.length === 0 && said.length > 0) return 'extends';
  const isSame = remembered.length === said.length && differingIndex(remembered, said) === said.length;
  return isSame ? 'same' : 'contradicts';
}

/** The first index at which they differ; the length of both where they do not. */
export function differingIndex(a: readonly ImageFile[], b: readonly ImageFile[]): number {
  const length = Math.max(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    if (a[index]?.sha1 !== b[index]?.sha1 || a[index]?.size !== b[index]?.size) return index;
  }
  return length;
}
