/**
 * The two names everything hangs on: an image's uuid and a blob's SHA-1.
 * Branded, so that a string becomes one only by being looked at.
 */

import { createHash, randomUUID } from 'node:crypto';

declare const brand: unique symbol;

/** A lower-case uuid. Its version digit is not checked: real catalogs hold uuids without a valid one. */
export type ImageUuid = string & { readonly [brand]: 'ImageUuid' };

/** 40 lower-case hex digits: the SHA-1 of a file, and the name of its blob. */
export type Sha1Hex = string & { readonly [brand]: 'Sha1Hex' };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SHA1 = /^[0-9a-f]{40}$/;

/** True for a lower-case uuid; the real server answers 404 to any other spelling. */
export function isImageUuid(value: unknown): value is ImageUuid {
  return typeof value === 'string' && UUID.test(value);
}

/** True for 40 lower-case hex digits. */
export function isSha1Hex(value: unknown): value is Sha1Hex {
  return typeof value === 'string' && SHA1.test(value);
}

/** A new random uuid. */
export function freshImageUuid(): ImageUuid {
  const uuid: string = randomUUID();
  if (!isImageUuid(uuid)) throw new TypeError(`randomUUID gave ${uuid}`);
  return uuid;
}

/** The SHA-1 of bytes that are in memory. */
export function sha1Of(bytes: Uint8Array): Sha1Hex {
  const hex = createHash('sha1').update(bytes).digest('hex');
  if (!isSha1Hex(hex)) throw new TypeError(`sha1 gave ${hex}`);
  return hex;
}
