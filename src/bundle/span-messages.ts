/** What the span digester and its threads say to each other. Ids are unique within a thread. */

/** A part of a file. */
export interface FileSpan {
  readonly path: string;
  /** The first byte's place in the file. */
  readonly from: number;
  /** Bytes. */
  readonly length: number;
}

/** A part of a file that this process has open, and keeps open until the job has ended. */
export interface OpenSpan {
  readonly descriptor: number;
  readonly from: number;
  readonly length: number;
}

/** Where the bytes of a job come from, if they are to be copied before they are hashed. */
export interface CopySource {
  /** As many bytes as the job has. */
  readonly spans: readonly OpenSpan[];
  /** The job's first bytes, which are there already. */
  readonly existing: number;
}

export type Algorithm = 'sha1' | 'sha256' | 'md5';

/** The digests that were asked for, in hex; MD5 in base64, as in Content-MD5. */
export type SpanDigests = Readonly<Partial<Record<Algorithm, string>>>;

export type SpanRequest =
  | {
      readonly type: 'start';
      readonly id: number;
      readonly spans: readonly FileSpan[];
      readonly algorithms: readonly Algorithm[];
      readonly copy: CopySource | undefined;
    }
  | { readonly type: 'advance'; readonly id: number; readonly upTo: number }
  | { readonly type: 'cancel'; readonly id: number };

/** `at`: bytes hashed so far, after every turn. One of the others ends the job; `isCancelled` is the answer to a cancel. */
export type SpanReply =
  | { readonly id: number; readonly at: number }
  | { readonly id: number; readonly digests: SpanDigests }
  | { readonly id: number; readonly error: string; readonly errno: string | undefined }
  | { readonly id: number; readonly isCancelled: true };
