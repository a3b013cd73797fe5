/**
 * `GET /ping`, and `GET /ping?error=NAME`, which answers with a sample of that error (sdc-imgapi, `lib/app.js` and `lib/errors.js`).
 */

/** `imgapi: true` is what `imgadm sources -a` looks for. */
export interface PingBody {
  readonly ping: 'pong';
  readonly version: string;
  readonly imgapi: true;
}

/** A sample error. A plain value, not a MirrorError: most of these codes are never raised by a mirror. */
export interface PingError {
  readonly statusCode: number;
  readonly body: {
    readonly code: string;
    readonly message: string;
    readonly errors?: readonly { readonly field: string; readonly code: string }[];
  };
}

const IMAGE = 'ed8cd007-2065-0140-8d41-e32247b71748';

/** The errors the real server has a sample of, by class name. */
const SAMPLES: ReadonlyMap<string, PingError> = new Map([
  ['ValidationFailedError', { statusCode: 422, body: { code: 'ValidationFailed', message: 'boom', errors: [] } }],
  [
    'InvalidParameterError',
    {
      statusCode: 422,
      body: { code: 'InvalidParameter', message: 'invalid "foo"', errors: [{ field: 'foo', code: 'Invalid' }] },
    },
  ],
  sample('ImageFilesImmutable', 422, 'cannot modify files on activated image 82ce32a2-9cb4-9a4c-a303-7a63254bacf4'),
  sample('ImageAlreadyActivated', 422, `image "${IMAGE}" is already activated`),
  sample('NoActivationNoFile', 422, `image "${IMAGE}" cannot be activated: it has no file`),
  sample('OperatorOnly', 403, 'this endpoint may only be called by an operator'),
  // The word "undefined" is the real server's: it makes this sample without a uuid.
  sample('ImageUuidAlreadyExists', 409, 'image uuid "undefined" already exists'),
  sample('StorageIsDown', 503, 'storage is down at the moment'),
  sample('StorageUnsupported', 503, 'storage type is unsupported'),
  ['RemoteSourceError', { statusCode: 503, body: { code: 'RemoteSourceError', message: '' } }],
  ['InternalError', { statusCode: 500, body: { code: 'InternalError', message: 'boom' } }],
]);

/** The errors it knows but has no sample of; it answers 500 and says so. */
const WITHOUT_SAMPLE: ReadonlySet<string> = new Set([
  'UploadError',
  'DownloadError',
  'OwnerDoesNotExistError',
  'AccountDoesNotExistError',
  'NotImageOwnerError',
  'NotMantaPathOwnerError',
  'OriginDoesNotExistError',
  'OriginIsNotActiveError',
  'InsufficientServerVersionError',
  'ImageHasDependentImagesError',
  'NotAvailableError',
  'NotImplementedError',
  'ResourceNotFoundError',
  'InvalidHeaderError',
  'ServiceUnavailableError',
  'UnauthorizedError',
  'BadRequestError',
]);

/** The body of `GET /ping`; `version` names us. */
export function pingBody(version: string): PingBody {
  return { ping: 'pong', version, imgapi: true };
}

/** The answer to `GET /ping?error=<name>`. The name goes with or without `Error` at its end; the empty one is InternalError. */
export function pingError(name: string): PingError {
  const given = name === '' ? 'InternalError' : name;
  const className = given.endsWith('Error') ? given : `${given}Error`;
  const known = SAMPLES.get(className);
  if (known !== undefined) return known;
  if (WITHOUT_SAMPLE.has(className)) {
    return { statusCode: 500, body: { code: 'InternalError', message: `do not have a sample "${className}" error` } };
  }
  return {
    statusCode: 422,
    body: {
      code: 'InvalidParameter',
      message: `unknown error: ${className}`,
      errors: [{ field: 'error', code: 'Missing' }],
    },
  };
}

function sample(code: string, statusCode: number, message: string): [string, PingError] {
  return [`${code}Error`, { statusCode, body: { code, message } }];
}
