/** The error of an upstream that could not be asked, and the words for why. */
import { errors as undici } from 'undici';
import { MirrorError } from '../imgapi/errors.ts';

/** Why an upstream gave no answer: `body` is an answer that cannot be used. */
export type UnavailableReason = 'connect' | 'timeout' | 'status' | 'body' | 'aborted';

/** Every reason, for priming metrics. */
export const UNAVAILABLE_REASONS: readonly UnavailableReason[] = ['connect', 'timeout', 'status', 'body', 'aborted'];

/** Builds the error; `message` says what happened in one line. `status` is the HTTP status, where there was one. */
export function unavailable(
  upstream: string,
  reason: UnavailableReason,
  message: string,
  evidence: { readonly cause?: unknown; readonly status?: number } = {},
): MirrorError {
  const details = { upstream, reason, ...(evidence.status === undefined ? {} : { status: evidence.status }) };
  return new MirrorError('UpstreamUnavailable', `${prefixOf(upstream)}${message}`, { cause: evidence.cause, details });
}

/** What an error says without the name of its upstream: for where that stands beside it. */
export function withoutName(upstream: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const prefix = prefixOf(upstream);
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}

function prefixOf(upstream: string): string {
  return `upstream ${upstream}: `;
}

/** The reason an error of `unavailable` carries; `body` for any other error. */
export function reasonOf(error: unknown): UnavailableReason {
  const reason = error instanceof MirrorError ? error.details['reason'] : undefined;
  return UNAVAILABLE_REASONS.find((known) => known === reason) ?? 'body';
}

/** True where the upstream did answer, below 500, and it is of no use: it is there, and something else is wrong. */
export function isUselessAnswer(error: unknown): boolean {
  const reason = reasonOf(error);
  const status = error instanceof MirrorError ? error.details['status'] : undefined;
  return reason === 'body' || (reason === 'status' && typeof status === 'number' && status < 500);
}

/** Wraps what undici or the network threw. Already wrapped errors pass. `through`: put before what happened, if it is about the way. */
export function wrapTransportError(upstream: string, error: unknown, through = ''): MirrorError {
  if (error instanceof MirrorError) return error;
  const code = codeOf(error);
  if (error instanceof undici.HeadersTimeoutError || error instanceof undici.BodyTimeoutError) {
    return unavailable(upstream, 'timeout', `${through}sent nothing for longer than its stallTimeout`, {
      cause: error,
    });
  }
  if (error instanceof undici.ConnectTimeoutError || code === 'ETIMEDOUT') {
    const text = `${through}did not accept a connection within its connectTimeout`;
    return unavailable(upstream, 'timeout', text, { cause: error });
  }
  if (error instanceof Error && error.name === 'TimeoutError') {
    return unavailable(upstream, 'timeout', 'did not answer in time', { cause: error });
  }
  if (error instanceof undici.RequestAbortedError || (error instanceof Error && error.name === 'AbortError')) {
    return unavailable(upstream, 'aborted', 'the request was given up', { cause: error });
  }
  // OpenSSL's own words for this one are a line of hexadecimal and file names.
  const isNoTls = code === 'ERR_SSL_WRONG_VERSION_NUMBER';
  const said = isNoTls ? 'it does not speak TLS on this port' : error instanceof Error ? error.message : String(error);
  const text = `${through}${said}`;
  return unavailable(upstream, 'connect', code === undefined || text.includes(code) ? text : `${text} (${code})`, {
    cause: error,
  });
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  // undici's own codes say nothing a message does not.
  return typeof error.code === 'string' && !error.code.startsWith('UND_ERR') ? error.code : undefined;
}
