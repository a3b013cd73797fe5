/** Ed25519 over the bytes of a bundle's index, which holds the digests of all the rest. `openssl pkeyutl -rawin` reads it too. */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { readSmallFile } from '../blobs/json-file.ts';
import { wrongField } from './refused.ts';

/** A PEM of any key this reads is some 120 bytes. */
const MAX_PEM_BYTES = 16 * 1024;

/** @throws MirrorError ValidationFailed, field `sign`, if there is no Ed25519 private key in PEM at `path`. */
export async function readSigningKey(path: string): Promise<KeyObject> {
  return readKey(path, 'sign', 'private', (pem) => createPrivateKey(pem));
}

/** @throws MirrorError ValidationFailed, field `trust`, if there is no Ed25519 public key in PEM at `path`. */
export async function readTrustedKey(path: string): Promise<KeyObject> {
  return readKey(path, 'trust', 'public', (pem) => createPublicKey(pem));
}

export function signIndex(key: KeyObject, index: Buffer): Buffer {
  return sign(null, index, key);
}

export function isSignedBy(key: KeyObject, index: Buffer, signature: Buffer): boolean {
  return verify(null, index, key, signature);
}

async function readKey(
  path: string,
  field: 'sign' | 'trust',
  kind: string,
  parse: (pem: string) => KeyObject,
): Promise<KeyObject> {
  let key: KeyObject | undefined;
  try {
    const pem = await readSmallFile(path, MAX_PEM_BYTES);
    key = pem === undefined ? undefined : parse(pem);
  } catch {
    // What OpenSSL or the file system says of it helps less than what is wanted; and it may hold a part of the key.
  }
  if (key?.asymmetricKeyType !== 'ed25519') {
    throw wrongField(field, `${field}: ${path} cannot be read as an Ed25519 ${kind} key in PEM`);
  }
  return key;
}
