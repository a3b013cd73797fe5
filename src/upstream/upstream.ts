/**
 * One interface for every kind of upstream. What could not be asked is thrown as `MirrorError('UpstreamUnavailable')`
 * with `details.reason`; only a confirmed absence is an answer.
 */
import type { Channel } from '../imgapi/channels.ts';
import type { IconType } from '../imgapi/icon-type.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { Urgency } from './urgency.ts';

/** What every call to an upstream carries. */
export interface UpstreamRequest {
  /** A plain uuid; sent as `x-request-id` so that one id joins the client's line, ours and the upstream's. */
  readonly requestId: string;
  readonly signal: AbortSignal;
}

export interface ImageRequest extends UpstreamRequest {
  readonly uuid: ImageUuid;
  /** A channel's name, `*`, or undefined for the upstream's default. */
  readonly channel: string | undefined;
  /** What it is for; may change while it runs. Default: a client waits for it. */
  readonly urgency?: Urgency;
}

/** What tells one version of an answer from another, as the upstream sends it. */
export interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
}

/** Validators of an earlier list, for a conditional request. */
export type ListValidators = Validators;

export interface ListRequest extends UpstreamRequest {
  readonly channel: string | undefined;
  readonly validators: ListValidators;
}

export type ListAnswer =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'list'; readonly images: readonly unknown[]; readonly validators: ListValidators };

export type ManifestAnswer = { readonly kind: 'found'; readonly json: unknown } | { readonly kind: 'absent' };

export type IconAnswer =
  | { readonly kind: 'found'; readonly bytes: Buffer; readonly contentType: IconType }
  | { readonly kind: 'absent' };

export interface FileRequest extends ImageRequest {
  readonly index: number;
  /** The byte to go on from; an upstream without Range answers from 0 all the same. */
  readonly offset: number;
}

/** A file that has begun to arrive. Its body must be read to the end or cancelled. */
export interface FileStream {
  /** Where the body starts: the asked offset (206) or 0 (200). */
  readonly start: number;
  /** The whole file's length as the upstream tells it, in bytes; undefined if it does not. */
  readonly totalSize: number | undefined;
  /** base64 of the whole file's MD5, as the upstream says. */
  readonly contentMd5: string | undefined;
  readonly validators: Validators;
  readonly body: AsyncIterable<Buffer>;
  /** Ends the transfer; safe to call at any time, also after the end. */
  cancel(): void;
}

export type FileAnswer = { readonly kind: 'file'; readonly stream: FileStream } | { readonly kind: 'absent' };

export interface Upstream {
  readonly name: string;
  /** How a person knows it: its URL, without credentials. */
  readonly url: string;
  /** The channel configured for it: a name, `*`, or undefined for the upstream's own default. */
  readonly channel: string | undefined;
  /** Most downloads that clients wait for it is asked for at once. */
  readonly maxDownloads: number;
  /** Most downloads of the prefetcher, beside them. */
  readonly prefetchDownloads: number;
  ping(request: UpstreamRequest): Promise<void>;
  /** Undefined: the upstream has no channels. */
  channels(request: UpstreamRequest): Promise<readonly Channel[] | undefined>;
  list(request: ListRequest): Promise<ListAnswer>;
  manifest(request: ImageRequest): Promise<ManifestAnswer>;
  icon(request: ImageRequest): Promise<IconAnswer>;
  file(request: FileRequest): Promise<FileAnswer>;
  /** Closes its connections; running transfers fail. */
  close(): Promise<void>;
}
