/** HTTPS towards clients: what a certificate and its key must be for SmartOS, and a server that can change them. */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';

/** PEM texts. */
export interface TlsPair {
  /** The certificate, then the chain. */
  readonly cert: string;
  readonly key: string;
}

export type TlsCheck =
  | { readonly ok: true; readonly warnings: readonly string[] }
  /** `wrong`: the file to look at. */
  | { readonly ok: false; readonly wrong: 'certFile' | 'keyFile'; readonly message: string };

/** The curves SmartOS's OpenSSL 1.0.1 knows, by OpenSSL's names. */
export const CURVES: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
/** SmartOS speaks nothing newer, and nothing older is safe. */
const MIN_VERSION = 'TLSv1.2';
/** Node's default of two minutes lets a client that says nothing hold a connection for long. */
const HANDSHAKE_MS = 30_000;

/** Whether SmartOS hosts can speak to a server with this pair. The messages name no secret. `nowMs`: since the epoch. */
export function checkTls({ cert, key }: TlsPair, nowMs: number): TlsCheck {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch (error) {
    return wrong('certFile', `it holds no certificate that can be read (${reasonOf(error)}); a PEM file would do`);
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    const hint = key.includes('ENCRYPTED') ? 'it has a passphrase; one without would do' : reasonOf(error);
    return wrong('keyFile', `it holds no private key that can be read (${hint})`);
  }
  const { asymmetricKeyType: type } = privateKey;
  if (type !== 'rsa' && type !== 'ec') {
    return wrong(
      'keyFile',
      `SmartOS cannot speak to a server with a key of type ${type ?? 'unknown'}; RSA or ECDSA would do`,
    );
  }
  if (!certificate.checkPrivateKey(privateKey)) return wrong('keyFile', 'it is not the key of the certificate');
  try {
    createSecureContext({ cert, key, minVersion: MIN_VERSION });
  } catch (error) {
    return wrong('certFile', `TLS cannot be served with it: ${reasonOf(error)}`);
  }
  return { ok: true, warnings: [...keyWarnings(privateKey), ...certificateWarnings(certificate, nowMs)] };
}

function keyWarnings(key: KeyObject): string[] {
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'ec' || CURVES.has(namedCurve)) return [];
  return [`SmartOS may not know the curve ${namedCurve ?? ''} of the key; P-256, P-384 and P-521 work`];
}

function certificateWarnings(certificate: X509Certificate, nowMs: number): string[] {
  const warnings: string[] = [];
  const { validFromDate, validToDate, signatureAlgorithm } = certificate;
  if (validToDate.getTime() < nowMs) warnings.push(`the certificate expired on ${validToDate.toISOString()}`);
  if (validFromDate.getTime() > nowMs) {
    warnings.push(`the certificate is not valid before ${validFromDate.toISOString()}`);
  }
  if (/pss|ed25519|ed448/i.test(signatureAlgorithm ?? '')) {
    warnings.push(`SmartOS cannot check the certificate's signature (${signatureAlgorithm}), RSA or ECDSA would do`);
  }
  return warnings;
}

function wrong(file: 'certFile' | 'keyFile', message: string): TlsCheck {
  return { ok: false, wrong: file, message };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Makes HTTPS servers whose certificate can be changed while they run. */
export interface SecureServers {
  create(handler: (request: IncomingMessage, response: ServerResponse) => void, options: ServerOptions): Server;
  /** For new connections; those that are open keep what they have. The pair must have been checked. */
  update(pair: TlsPair): void;
  /** When the certificate ends, ms since the epoch. */
  readonly expiresAtMs: number;
  /** Closes connections that have not come to a handshake's end: closing a server waits for them, and no request is lost. */
  dropHandshakes(): void;
}

export function createSecureServers(first: TlsPair): SecureServers {
  let pair = first;
  let expiresAtMs = expiryOf(first);
  const servers: Server[] = [];
  const handshakes = new Map<string, Socket>();

  return {
    create(handler, options) {
      const server = createServer(
        { ...options, ...pair, minVersion: MIN_VERSION, handshakeTimeout: HANDSHAKE_MS },
        handler,
      );
      server.on('connection', (socket: Socket) => {
        const peer = peerOf(socket);
        handshakes.set(peer, socket);
        socket.once('close', () => {
          if (handshakes.get(peer) === socket) handshakes.delete(peer);
        });
      });
      server.on('secureConnection', (socket) => handshakes.delete(peerOf(socket)));
      servers.push(server);
      return server;
    },
    update(next) {
      pair = next;
      expiresAtMs = expiryOf(next);
      for (const server of servers) server.setSecureContext({ ...next, minVersion: MIN_VERSION });
    },
    get expiresAtMs() {
      return expiresAtMs;
    },
    dropHandshakes() {
      for (const socket of handshakes.values()) socket.destroy();
    },
  };
}

/** Of the certificate itself; a chain that ends before it is not looked for. */
function expiryOf({ cert }: TlsPair): number {
  return new X509Certificate(cert).validToDate.getTime();
}

/** The same for a TCP connection and for the TLS socket that is made of it. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
