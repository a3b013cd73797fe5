/** Telling the disk's failures from an upstream's: the first are ours, and a client need not suffer them. */
import { MirrorError } from '../imgapi/errors.ts';

/** True for what the disk did: errors of the file system, as they are or as the store wraps them. */
export function isStorageFailure(error: unknown): boolean {
  return !(error instanceof MirrorError) || error.code === 'StorageFailed' || error.code === 'InternalError';
}

/** What followers are told: an upstream's error as it is, the disk's without the inside of this machine. */
export function toFollowerError(error: unknown): MirrorError {
  if (error instanceof MirrorError && !isStorageFailure(error)) return error;
  return new MirrorError('StorageFailed', 'the file could not be written', { cause: error });
}
