/**
 * Certificates and keys of test servers, valid for a hundred years, for localhost, mirror.test and 127.0.0.1. Each is its
 * own authority. `NAME.cert.pem` and `NAME.key.pem`, made with `openssl req -x509`; they protect nothing.
 * `ends-2100.cert.pem` is of the `rsa` key and ends sooner than the others.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TlsPair } from '../../src/http/tls.ts';

/** Pairs there are; `other-curve` is secp256k1, `short` RSA with 1,024 bits. */
export type PairName = 'rsa' | 'ec' | 'ed25519' | 'rsa-pss' | 'other-curve' | 'short';

/** The absolute path of a file in test/support/tls. */
export function tlsFile(name: string): string {
  return fileURLToPath(new URL(`tls/${name}`, import.meta.url));
}

/** A file's text. */
export function tlsText(name: string): string {
  return readFileSync(tlsFile(name), 'utf8');
}

/** Certificate and key of one name, as PEM texts. */
export function tlsPair(name: PairName): TlsPair {
  return { cert: tlsText(`${name}.cert.pem`), key: tlsText(`${name}.key.pem`) };
}
