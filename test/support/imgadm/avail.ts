/** `imgadm avail`: the paging of protocol.md section 3 and the silent failures of section 2. */
import type { ImgadmConnection, JsonAnswer } from './connection.ts';
import { ImgadmError } from './imgadm-error.ts';

const PAGE = 1000;

export type Entry = Readonly<Record<string, unknown>>;

/** What `imgadm avail` would show of this source. Errors it shows are thrown as ImgadmError instead. */
export interface AvailResult {
  /** `silently-empty`: imgadm prints nothing, exits with 0, and the operator wonders. */
  readonly outcome: 'listed' | 'silently-empty';
  /** Why it is silently empty. */
  readonly reason: 'redirect' | 'not-json' | 'not-a-list' | 'broken-body' | undefined;
  readonly images: readonly Entry[];
  /** Requests made. */
  readonly pages: number;
}

/** Lists everything, page by page. Throws ImgadmError where imgadm shows an error, fails for all sources, or aborts. */
export async function avail(connection: ImgadmConnection): Promise<AvailResult> {
  const { channel } = connection;
  const images: Entry[] = [];
  let marker: string | undefined;
  for (let pages = 1; ; pages += 1) {
    const paging = marker === undefined ? {} : { marker, limit: String(PAGE) };
    const answer = await connection.getJson('/images', { ...(channel === undefined ? {} : { channel }), ...paging });
    const reason = silentFailure(answer);
    // The pages before are lost with it.
    if (reason !== undefined) return { outcome: 'silently-empty', reason, images: [], pages };
    const page = entriesOf(answer);
    const isShort = page.length < PAGE;
    if (marker !== undefined && page[0]?.['uuid'] === marker) page.shift();
    const lastUuid = page.at(-1)?.['uuid'];
    // An empty page, or the same end as before: a server without paging.
    if (typeof lastUuid !== 'string' || lastUuid === marker)
      return { outcome: 'listed', reason: undefined, images, pages };
    images.push(...page);
    if (isShort) return { outcome: 'listed', reason: undefined, images, pages };
    marker = lastUuid;
  }
}

function silentFailure({ response, json }: JsonAnswer): AvailResult['reason'] {
  if (response.status >= 300 && response.status < 400) return 'redirect';
  if (response.status !== 200) return undefined;
  if (!response.endedCleanly) return 'broken-body';
  if (json === undefined) return 'not-json';
  return Array.isArray(json) ? undefined : 'not-a-list';
}

/** The page's entries, after the checks whose failure ends imgadm. */
function entriesOf(answer: JsonAnswer): Entry[] {
  const { response, json } = answer;
  if (response.status !== 200 || !Array.isArray(json)) throw errorOf(answer);
  return json.map((entry: unknown) => {
    if (!isEntry(entry)) throw new ImgadmError('ListUnreadable', `an entry is ${JSON.stringify(entry)}: imgadm aborts`);
    if (typeof entry['published_at'] !== 'string') throw unreadable(entry, 'published_at is not a string');
    const tags = isEntry(entry['tags']) ? entry['tags'] : {};
    if (entry['type'] === 'docker' && !('docker:id' in tags))
      throw unreadable(entry, 'docker without tags["docker:id"]');
    return entry;
  });
}

/** The error imgadm shows for an answer that is no success. */
export function errorOf({ response, text, json }: JsonAnswer): ImgadmError {
  const { code, message } = isEntry(json) ? json : {};
  if (response.status === 200 || typeof code !== 'string')
    return new ImgadmError('BadAnswer', text.slice(0, 200), response.status);
  return new ImgadmError(code, typeof message === 'string' ? message : '', response.status, { body: json });
}

export function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unreadable(entry: Entry, why: string): ImgadmError {
  return new ImgadmError('ListUnreadable', `${String(entry['uuid'])}: ${why}: the whole avail fails`, 200, { entry });
}
