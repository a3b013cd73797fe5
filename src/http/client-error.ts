/** What is answered where the HTTP parser gives up: it never became a request, but its sender deserves the reason. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { methodNotAllowed } from '../imgapi/answers.ts';
import { MirrorError } from '../imgapi/errors.ts';

/** Answers in IMGAPI's words and closes the connection. */
export function answerClientError(error: { readonly code?: string; readonly message: string }, socket: Socket): void {
  // Nobody is left to tell, or no TLS to tell it through.
  if (error.code === 'ECONNRESET' || isTlsFailure(error.code) || !socket.writable) {
    socket.destroy();
    return;
  }
  const failure = toMirrorError(error);
  const { statusCode } = failure;
  const body = JSON.stringify(failure.toBody(), null, 2);
  const head = [
    `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // A sender that never stops must not keep the socket: the answer has had its chance.
  socket.destroySoon();
}

function isTlsFailure(code = ''): boolean {
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_');
}

function toMirrorError({ code, message }: { readonly code?: string; readonly message: string }): MirrorError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new MirrorError('RequestTimeoutError', 'the request did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return new MirrorError('RequestHeaderFieldsTooLargeError', 'the request line and headers are larger than 16 KiB');
    case 'HPE_INVALID_METHOD':
      return methodNotAllowed('this method');
    case undefined:
    default:
      return new MirrorError('BadRequestError', `no HTTP request: ${message}`);
  }
}
