/**
 * The one catalogue of errors: a code, the HTTP status it answers with, and the IMGAPI body a client sees.
 * Codes that IMGAPI has keep IMGAPI's names (sdc-imgapi docs, "Errors"); the others are ours.
 */

/** Every code a MirrorError can carry, with the HTTP status it is answered with. */
export const ERROR_STATUS = {
  // IMGAPI's own
  InvalidParameter: 422,
  ValidationFailed: 422,
  ResourceNotFound: 404,
  UnauthorizedError: 401,
  ForbiddenError: 403,
  PreconditionFailedError: 412,
  InvalidVersion: 400,
  BadRequestError: 400,
  MethodNotAllowedError: 405,
  RequestTimeoutError: 408,
  RequestHeaderFieldsTooLargeError: 431,
  RequestedRangeNotSatisfiableError: 416,
  InternalError: 500,
  ServiceUnavailableError: 503,
  // Ours: why something could not be had just now. All are 503, so that imgadm shows the message.
  UpstreamUnavailable: 503,
  DownloadFailed: 503,
  DownloadQueueFull: 503,
  StorageFailed: 503,
  ShuttingDown: 503,
  Offline: 503,
  // Ours: an upstream contradicts what was first seen of the image, which cannot be had.
  TrustConflict: 503,
  // Ours: the admin API's.
  TooManyRequests: 429,
  Conflict: 409,
  NothingSelected: 404,
  BundleRefused: 422,
  UnsupportedMediaType: 415,
  RequestEntityTooLarge: 413,
  // Ours: what an operation wants does not fit on the disk.
  InsufficientSpace: 507,
  // Ours: the request was sent by this mirror itself.
  LoopDetected: 508,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** Of these 5xx none says that the mirror is not well: it is meant to answer so. */
const MEANT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['Offline', 'ShuttingDown', 'TrustConflict']);

/** One wrong field, as IMGAPI lists them under `errors`. */
export interface FieldError {
  readonly field: string;
  readonly code: 'Invalid' | 'MissingParameter' | 'Duplicate';
  readonly message?: string;
}

/** The JSON body of every error answer. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly errors?: readonly FieldError[];
}

export interface MirrorErrorOptions {
  readonly cause?: unknown;
  /** Fields for the body's `errors`. */
  readonly errors?: readonly FieldError[];
  /** Evidence for logs; never sent to a client. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** True for a 5xx that the mirror is meant to answer just now; it is counted apart. Default: as its code is. */
  readonly isMeant?: boolean;
}

/** True for what came back to the mirror that asked it: asking again changes nothing. */
export function isLoop(error: unknown): boolean {
  return error instanceof MirrorError && error.code === 'LoopDetected';
}

/** The only error class rooms throw on purpose. Match on `code`, never on `message`. */
export class MirrorError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[] | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  /** True for a 5xx that is no sign of trouble of the mirror's. */
  readonly isMeant: boolean;

  constructor(code: ErrorCode, message: string, options: MirrorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MirrorError';
    this.code = code;
    this.errors = options.errors;
    this.details = options.details ?? {};
    this.isMeant = options.isMeant ?? MEANT.has(code);
  }

  get statusCode(): number {
    return ERROR_STATUS[this.code];
  }

  /** The IMGAPI body: `{code, message[, errors]}`. */
  toBody(): ErrorBody {
    return this.errors === undefined
      ? { code: this.code, message: this.message }
      : { code: this.code, message: this.message, errors: this.errors };
  }
}
