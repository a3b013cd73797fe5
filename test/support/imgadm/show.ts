/** `imgadm show` and `imgadm update`: single manifests. */
import { errorOf, isEntry } from './avail.ts';
import type { Entry } from './avail.ts';
import type { ImgadmConnection } from './connection.ts';
import { ImgadmError } from './imgadm-error.ts';

/** The manifest of any state, or undefined after a 404 (imgadm tries its next source then). Throws ImgadmError for the rest. */
export async function show(connection: ImgadmConnection, uuid: string): Promise<Entry | undefined> {
  const query = connection.channel === undefined ? {} : { channel: connection.channel };
  const answer = await connection.getJson(`/images/${uuid}`, query);
  const { response, json } = answer;
  if (response.status === 404) return undefined;
  if (response.status !== 200 || !response.endedCleanly || !isEntry(json)) throw errorOf(answer);
  if (json['uuid'] !== uuid) throw new ImgadmError('BadAnswer', `asked for ${uuid}, got ${String(json['uuid'])}`, 200);
  return json;
}

export interface UpdateResult {
  readonly uuid: string;
  /** `unknown`: the source has no such image. */
  readonly outcome: 'same' | 'changed' | 'unknown';
  /** The top-level fields that differ. */
  readonly changedFields: readonly string[];
}

/** One after another; compares each top-level field's JSON text, so that even a changed key order is a change. */
export async function update(connection: ImgadmConnection, installed: readonly Entry[]): Promise<UpdateResult[]> {
  const results: UpdateResult[] = [];
  for (const local of installed) {
    const uuid = String(local['uuid']);
    const remote = await show(connection, uuid);
    const fields = new Set([...Object.keys(local), ...Object.keys(remote ?? {})]);
    const changedFields =
      remote === undefined
        ? []
        : [...fields].filter((field) => JSON.stringify(local[field]) !== JSON.stringify(remote[field]));
    const outcome = changedFields.length > 0 ? 'changed' : 'same';
    results.push({ uuid, outcome: remote === undefined ? 'unknown' : outcome, changedFields });
  }
  return results;
}
