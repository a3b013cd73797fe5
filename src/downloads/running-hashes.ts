/** SHA-1 and MD5 of bytes that go by, in this thread: for what is never on disk, where a worker could read it. */
import { createHash, type Hash } from 'node:crypto';

export interface RunningHashes {
  update(bytes: Buffer): void;
  /** Another one that goes on from here. */
  fork(): RunningHashes;
  /** Of all bytes so far: SHA-1 in hex, MD5 in base64. Nothing can be added afterwards. */
  digest(): { readonly sha1: string; readonly md5: string };
}

export function createRunningHashes(): RunningHashes {
  return runningHashes(createHash('sha1'), createHash('md5'));
}

function runningHashes(sha1: Hash, md5: Hash): RunningHashes {
  return {
    update(bytes) {
      sha1.update(bytes);
      md5.update(bytes);
    },
    fork: () => runningHashes(sha1.copy(), md5.copy()),
    digest: () => ({ sha1: sha1.digest('hex'), md5: md5.digest('base64') }),
  };
}
