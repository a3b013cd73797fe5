/**
 * Files of no bytes. Their answer is over with its headers, so that there is no tail to withhold: they are decided
 * before, and never downloaded. PURE.
 */
import { MirrorError } from '../imgapi/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { WantedBlob } from './wanted.ts';

/** SHA-1 of nothing. */
const EMPTY_SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
/** MD5 of nothing, base64. */
export const EMPTY_MD5 = '1B2M2Y8AsgTpgAmY7PhCfg==';

/** The bytes of an empty file. Throws `DownloadFailed` if its SHA-1 is not that of nothing: no bytes would be right. */
export function emptySource(wanted: WantedBlob): ByteSource {
  if (wanted.sha1 !== EMPTY_SHA1) {
    throw new MirrorError('DownloadFailed', `the manifest gives a file of 0 bytes the SHA-1 ${wanted.sha1}`);
  }
  return {
    size: 0,
    endAt() {},
    ready: () => undefined,
    read: async () => 0,
    close: async () => undefined,
  };
}
