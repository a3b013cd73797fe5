/**
 * A raw client that speaks as imgadm 3.9.5 does, down to header order and silent failures (protocol.md sections 1 to 3). One client is
 * one run of imgadm on one source: one x-request-id, one pool of 5 keep-alive sockets. Only imgadm's retries of refused connections
 * are left out.
 *
 *     const imgadm = createImgadmClient({ url: server.url });
 *     t.after(() => imgadm.close());
 *     const { files } = await imgadm.importImage(image.uuid);
 */
import { avail, isEntry } from './imgadm/avail.ts';
import type { AvailResult, Entry } from './imgadm/avail.ts';
import { createImgadmConnection } from './imgadm/connection.ts';
import type { ImgadmClientOptions } from './imgadm/connection.ts';
import { importImage } from './imgadm/import-image.ts';
import type { ImportResult } from './imgadm/import-image.ts';
import { show, update } from './imgadm/show.ts';
import type { UpdateResult } from './imgadm/show.ts';
import type { RawResponse } from './raw-request.ts';

export type { AvailResult, Entry } from './imgadm/avail.ts';
export type { ImgadmClientOptions } from './imgadm/connection.ts';
export { ImgadmError } from './imgadm/imgadm-error.ts';
export type { FileReceipt, ImportResult } from './imgadm/import-image.ts';
export type { UpdateResult } from './imgadm/show.ts';
export { rawHeader, rawRequest } from './raw-request.ts';
export type { RawRequestOptions, RawResponse } from './raw-request.ts';

export interface PingResult {
  /** True if `imgadm sources -a` would take the source: 200, JSON, a truthy `imgapi`. */
  readonly isAccepted: boolean;
  readonly body: unknown;
  readonly response: RawResponse;
}

export interface ImgadmClient {
  readonly requestId: string;
  /** Uuids whose files `importImage` leaves out. Empty at first; the client adds nothing to it by itself. */
  readonly installed: Set<string>;
  ping(): Promise<PingResult>;
  /** See AvailResult: what fails silently in imgadm is a result, what it shows is an ImgadmError. */
  avail(): Promise<AvailResult>;
  /** Undefined after a 404. Throws ImgadmError for every other failure. */
  show(uuid: string): Promise<Entry | undefined>;
  /** Throws ImgadmError as soon as one manifest or file fails. Importing twice fetches twice. */
  importImage(uuid: string): Promise<ImportResult>;
  /** Compares the source with these manifests, or those `show` and `importImage` last saw for these uuids. */
  update(installed: readonly (string | Entry)[]): Promise<UpdateResult[]>;
  /** Destroys the pool. */
  close(): void;
}

export function createImgadmClient(options: ImgadmClientOptions): ImgadmClient {
  const connection = createImgadmConnection(options);
  const installed = new Set<string>();
  const lastSeen = new Map<string, Entry>();
  const remember = (manifest: Entry): void => void lastSeen.set(String(manifest['uuid']), manifest);
  const { checksums = true, rateBytesPerSecond } = options;
  return {
    requestId: connection.requestId,
    installed,
    async ping() {
      // The one request without the channel.
      const { response, json } = await connection.getJson('/ping', {});
      const isAccepted = response.status === 200 && response.endedCleanly && isEntry(json) && Boolean(json['imgapi']);
      return { isAccepted, body: json, response };
    },
    avail: () => avail(connection),
    async show(uuid) {
      const manifest = await show(connection, uuid);
      if (manifest !== undefined) remember(manifest);
      return manifest;
    },
    async importImage(uuid) {
      const result = await importImage({ connection, installed, checksums, rateBytesPerSecond }, uuid);
      for (const manifest of result.manifests) remember(manifest);
      return result;
    },
    update: (wanted) =>
      update(
        connection,
        wanted.map((entry) => (typeof entry === 'string' ? (lastSeen.get(entry) ?? { uuid: entry }) : entry)),
      ),
    close: () => connection.close(),
  };
}
