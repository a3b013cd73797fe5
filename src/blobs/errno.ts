import { MirrorError } from '../imgapi/errors.ts';

/** The errno name of a failed system call (`ENOENT`, `EIO`, ...); undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Wraps a failed file operation. It says "could not tell", never "absent": callers must not take it for a miss.
 * The message goes to clients, so it names no path; the path is in `details`, the errno in `details` and `cause`.
 */
export function storageError(message: string, cause: unknown, details: Readonly<Record<string, unknown>>): MirrorError {
  if (cause instanceof MirrorError) return cause;
  const errno = errnoOf(cause);
  return new MirrorError('InternalError', errno === undefined ? message : `${message}: ${errno}`, {
    cause,
    details: { ...details, errno },
  });
}
