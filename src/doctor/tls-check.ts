/** TLS as a SmartOS host sees it: OpenSSL 1.0.1, TLS 1.2 at most, no list of authorities but the built-in one. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { CURVES } from '../http/tls.ts';
import { ok, problem, warning, type Finding } from './finding.ts';
import type { Subject } from './subject.ts';

/** What imgadm's OpenSSL offers, as far as today's can: key exchange by RSA or ECDHE, AES. */
const OLD_CLIENT: ConnectionOptions = {
  minVersion: 'TLSv1',
  maxVersion: 'TLSv1.2',
  ciphers: [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-AES128-SHA',
    'ECDHE-RSA-AES128-SHA',
    'AES128-GCM-SHA256',
    'AES256-GCM-SHA384',
    'AES128-SHA256',
    'AES128-SHA',
    'AES256-SHA',
    // Level 0: else today's OpenSSL does not speak TLS 1.0 at all.
    '@SECLEVEL=0',
  ].join(':'),
  sigalgs: ['RSA', 'ECDSA'].flatMap((key) => [512, 384, 256, 1].map((bits) => `${key}+SHA${bits}`)).join(':'),
  ecdhCurve: 'prime256v1:secp384r1:secp521r1:secp256k1',
};

const MIN_RSA_BITS = 2048;
const SOON_DAYS = 30;
const DAY_MS = 86_400_000;
const INSECURE =
  'hosts take it with IMGADM_INSECURE=1 only; a certificate of a public authority, or plain HTTP, would do (files are checked by their SHA-1 anyway)';

interface Handshake {
  readonly protocol: string | null;
  readonly cipher: string;
  readonly certificate: X509Certificate | undefined;
  /** Why the certificate would not be trusted; undefined if it would. */
  readonly distrust: string | undefined;
}

export interface TlsCheckOptions {
  /** The name or address clients use, which the certificate must have; undefined: not known, not checked. */
  readonly name: string | undefined;
  /** Since the epoch, ms. */
  readonly nowMs: number;
}

/** Shakes hands as a new client and as an old one, and judges what came of it. */
export async function checkTls({ probe, report, limits }: Subject, options: TlsCheckOptions): Promise<void> {
  const { hostname, port } = new URL(probe.url);
  const target = { host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port === '' ? 443 : port) };
  const shake = async (how: ConnectionOptions): Promise<Handshake | Error> => {
    try {
      return await handshake({ ...target, ...how }, limits.smallMs);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  const today = await shake({ minVersion: 'TLSv1.2' });
  const old = await shake(OLD_CLIENT);
  const seen = old instanceof Error ? today : old;
  if (!(seen instanceof Error) && seen.certificate !== undefined) {
    for (const finding of certificateFindings(seen.certificate, seen.distrust, options)) report(finding);
  }
  if (old instanceof Error) {
    report(
      today instanceof Error
        ? problem(
            'tls',
            `no handshake: ${today.message}`,
            'look at the certificate and key the server has, and its log',
          )
        : problem(
            'tls',
            `no handshake as SmartOS makes it (${old.message}); today’s clients get ${today.protocol ?? 'one'}`,
            'let the server speak TLS 1.2 with ECDHE and AES-GCM, with an RSA or ECDSA certificate',
          ),
    );
    return;
  }
  if (old.protocol === 'TLSv1.2') report(ok('tls', `SmartOS gets ${old.protocol} with ${old.cipher}`));
  else
    report(
      warning(
        'tls',
        `the server speaks ${old.protocol ?? 'an old TLS'} at most`,
        'let it speak TLS 1.2: nothing older is safe',
      ),
    );
}

async function handshake(options: ConnectionOptions, deadlineMs: number): Promise<Handshake> {
  const { host = '' } = options;
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket: TLSSocket = connect({ ...options, ...servername, rejectUnauthorized: false });
  // Its outcome is awaited below; an error after that is of no interest.
  socket.on('error', () => {});
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', (error) => reject(plain(error)));
      socket.once('close', () => reject(new Error('the server closed the connection')));
      socket.setTimeout(deadlineMs, () => reject(new Error(`no handshake within ${deadlineMs / 1000} s`)));
    });
    const { authorizationError: reason, authorized } = socket;
    // A wrong name is told of by what certificateFindings finds.
    const distrust = authorized || `${reason}`.includes('ALTNAME') ? undefined : String(reason);
    const certificate = socket.getPeerX509Certificate();
    return { protocol: socket.getProtocol(), cipher: socket.getCipher().name, certificate, distrust };
  } finally {
    socket.destroy();
  }
}

/** OpenSSL's reason alone, where it gives one: the rest of its message is hexadecimal and file names. */
function plain(error: Error): Error {
  return 'reason' in error && typeof error.reason === 'string' ? new Error(error.reason, { cause: error }) : error;
}

/** What SmartOS makes of a certificate. `distrust`: the reason OpenSSL does not trust its chain. PURE. */
function certificateFindings(
  certificate: X509Certificate,
  distrust: string | undefined,
  { name, nowMs }: TlsCheckOptions,
): Finding[] {
  const findings = [...keyFindings(certificate), ...dateFindings('tls', certificate, nowMs)];
  if (name !== undefined && !isFor(certificate, name)) {
    const names = certificate.subjectAltName ?? certificate.subject;
    const todo = `get a certificate for ${name}, or have hosts use a name that it has`;
    findings.push(problem('tls', `the certificate is not for ${name} (it is for ${names})`, todo));
  }
  // A matter of dates has been told of.
  if (distrust !== undefined && !/EXPIRED|NOT_YET_VALID/.test(distrust)) {
    const isSelfSigned = distrust.includes('SELF_SIGNED');
    const todo = isSelfSigned
      ? INSECURE
      : `if there are certificates between this one and a public authority, serve them after it; else ${INSECURE}`;
    findings.push(warning('tls', `no authority that SmartOS knows vouches for the certificate (${distrust})`, todo));
  }
  return findings;
}

function keyFindings({ publicKey, signatureAlgorithm }: X509Certificate): Finding[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  const todo = 'get one with an RSA key of 2,048 bits or more, or an ECDSA key on P-256, signed with RSA or ECDSA';
  if (type !== 'rsa' && type !== 'ec') {
    return [problem('tls', `SmartOS cannot use a certificate with a key of type ${type ?? 'unknown'}`, todo)];
  }
  if (type === 'ec' && !CURVES.has(details?.namedCurve)) {
    return [warning('tls', `SmartOS may not know the key’s curve ${details?.namedCurve ?? ''}`, todo)];
  }
  if (type === 'rsa' && (details?.modulusLength ?? MIN_RSA_BITS) < MIN_RSA_BITS) {
    return [warning('tls', `the RSA key has ${details?.modulusLength} bits only`, todo)];
  }
  if (/pss|ed25519|ed448/i.test(signatureAlgorithm ?? '')) {
    return [problem('tls', `SmartOS cannot check the certificate’s signature (${signatureAlgorithm})`, todo)];
  }
  return [];
}

/** What its dates say; nothing if it is valid for a while. */
export function dateFindings(check: 'tls' | 'certificate', certificate: X509Certificate, nowMs: number): Finding[] {
  const { validFromDate, validToDate } = certificate;
  const until = validToDate.toISOString();
  const daysLeft = Math.floor((validToDate.getTime() - nowMs) / DAY_MS);
  if (validFromDate.getTime() > nowMs) {
    const todo = 'set the clock of this machine, or wait';
    return [problem(check, `the certificate is not valid before ${validFromDate.toISOString()}`, todo)];
  }
  if (daysLeft < 0)
    return [problem(check, `the certificate expired on ${until}`, 'renew it, then send the mirror SIGHUP')];
  if (daysLeft < SOON_DAYS) {
    return [warning(check, `the certificate expires on ${until}`, 'renew it, then send the mirror SIGHUP')];
  }
  return [];
}

function isFor(certificate: X509Certificate, name: string): boolean {
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
}
