import { MirrorError } from '../imgapi/errors.ts';

/** A bundle that must not be taken, and why; nothing of it has been let in. */
export function refusedBundle(reason: string): MirrorError {
  return new MirrorError('BundleRefused', `the bundle is refused: ${reason}`);
}

/** An input that cannot be worked with. */
export function wrongField(field: string, message: string): MirrorError {
  return new MirrorError('ValidationFailed', message, { errors: [{ field, code: 'Invalid', message }] });
}
