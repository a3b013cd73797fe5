/** Telling the disk's failures from an upstream's: the first are ours, and a client need not suffer them. */
import { errnoOf } from '../blobs/errno.ts';
import { MirrorError } from '../imgapi/errors.ts';

/** True for what no upstream has done: errors of the file system, as they are or as the store wraps them, and what went wrong in here. */
export function isStorageFailure(error: unknown): boolean {
  return !(error instanceof MirrorError) || error.code === 'StorageFailed' || error.code === 'InternalError';
}

/** True only where the file system itself has failed. */
export function isDiskFailure(error: unknown): boolean {
  if (error instanceof MirrorError) {
    return error.code === 'StorageFailed' || (error.code === 'InternalError' && isDiskFailure(error.cause));
  }
  // Node's own errors have codes too, such as ERR_INVALID_ARG_TYPE.
  return /^E[A-Z0-9]+$/.test(errnoOf(error) ?? '');
}

/** What followers are told: an upstream's error as it is, the disk's without the inside of this machine. */
export function toFollowerError(error: unknown): MirrorError {
  if (error instanceof MirrorError && !isStorageFailure(error)) return error;
  return new MirrorError('StorageFailed', 'the file could not be written', { cause: error });
}
