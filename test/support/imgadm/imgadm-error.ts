/**
 * Why imgadm would fail. A server's own code where it sent one (`ServiceUnavailableError`, ...), else one of:
 * `BadAnswer` (3xx, no JSON, another uuid), `BadDigest`, `BadManifest`, `NotFound`, `NotActive`, `OriginNotFound`, `NoContentLength`, `WrongContentLength`,
 * `Encoded`, `BrokenBody` (ended too early), `WrongSha1`, `ListUnreadable` (an entry that makes `avail` fail or abort).
 */
export class ImgadmError extends Error {
  readonly code: string;
  /** HTTP status of the answer that did it. */
  readonly status: number | undefined;
  /** The evidence, such as the file's receipt. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, status?: number, details: Readonly<Record<string, unknown>> = {}) {
    super(`${code}: ${message}`);
    this.name = 'ImgadmError';
    this.code = code;
    this.status = status;
    this.details = details;
  }
}
