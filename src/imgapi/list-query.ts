/**
 * The query of `GET /images`, as a public image server takes it: only active images, filters, sort, marker, limit.
 */
import { isImageUuid } from './ids.ts';
import { MirrorError } from './errors.ts';
import { matchesFilter } from './image-filter.ts';
import { comparePublishedAt, parsePublishedAt } from './published-at.ts';
import type { ImageFilter } from './image-filter.ts';
import type { ImageUuid } from './ids.ts';
import type { Manifest } from './manifest.ts';
import type { PublishedAt } from './published-at.ts';

/** A parsed query string; a parameter given several times is an array. */
export type QueryParams = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Where a page starts: at an image (whose position the caller looks up) or at a time. */
export type Marker =
  | { readonly kind: 'uuid'; readonly uuid: ImageUuid }
  | { readonly kind: 'date'; readonly publishedAt: PublishedAt };

/** The place of an image in the order of lists. */
export interface ListPosition {
  readonly publishedAt: PublishedAt;
  readonly uuid: ImageUuid;
}

/** What `GET /images?...` asks for, checked. */
export interface ListQuery {
  /** True if no image can match: inactive states, which the public never sees, or a filter given twice. */
  readonly selectsNothing: boolean;
  readonly filter: ImageFilter;
  readonly isDescending: boolean;
  readonly marker: Marker | undefined;
  /** At most this many images; undefined = all. */
  readonly limit: number | undefined;
}

const INACTIVE_STATES: ReadonlySet<string> = new Set(['disabled', 'unactivated', 'creating', 'failed']);
const TAG_PREFIX = 'tag.';

/**
 * Checks the parameters of `GET /images` in the real server's order. Unknown ones and `channel` are ignored.
 * Given twice, `limit`, `state`, `public`, `sort`, `marker` and `inclAdminFields` are errors; `name`, `version`, `os`, `owner` and
 * `type` match nothing; `billing_tag` asks for all of its values.
 * @throws MirrorError InvalidParameter (422), or UnauthorizedError (401) for `inclAdminFields=true`
 */
export function parseListQuery(params: QueryParams): ListQuery {
  refuseAdminFields(params['inclAdminFields']);
  const limit = parseLimit(params['limit']);
  const isInactive = parseState(params['state']) !== 'active';
  const [name, version, os, owner, type] = [
    params['name'],
    params['version'],
    params['os'],
    params['owner'],
    params['type'],
  ];
  const isTwice = [name, version, os, owner, type].some((value) => value !== undefined && typeof value !== 'string');
  const isPublic = parseBoolean('public', params['public']);
  return {
    selectsNothing: isInactive || isTwice,
    filter: {
      name: text(name),
      version: text(version),
      os: text(os),
      owner: text(owner),
      type: text(type),
      public: isPublic,
      tags: parseTags(params),
      billingTags: [params['billing_tag'] ?? []].flat(),
      // Two accounts are nobody's name: public images only, as on the real server.
      account: text(params['account']) || undefined,
    },
    isDescending: parseSort(params['sort']) === 'desc',
    marker: parseMarker(params['marker']),
    limit,
  };
}

/** True if the query selects every image in the default order, so that the list prepared beforehand is the answer. */
export function isPlain(query: ListQuery): boolean {
  return !query.selectsNothing && !query.isDescending && query.marker === undefined && isUnfiltered(query);
}

/**
 * The images a query selects, in its order: sorted, then from the marker on, then limited.
 * @param sorted in the order of lists: by (published_at, uuid), ascending
 * @param markerPosition where the image of a uuid marker stands, whether it is in the list or not; needed for such a marker only.
 *   The page starts AT it: imgadm drops the first element if it is the marker, and loses an image if it is not.
 */
export function selectImages<T extends { readonly manifest: Manifest }>(
  sorted: readonly T[],
  query: ListQuery,
  markerPosition: ListPosition | undefined,
): readonly T[] {
  const limit = query.limit ?? Infinity;
  const selected: T[] = [];
  if (query.selectsNothing || limit === 0) return selected;
  const direction = query.isDescending ? -1 : 1;
  for (let step = 0; step < sorted.length; step += 1) {
    const image = sorted.at(query.isDescending ? -1 - step : step);
    if (image === undefined) break;
    const place = placeOf(image.manifest, query.marker, markerPosition);
    if (place * direction < 0 || !matchesFilter(image.manifest, query.filter)) continue;
    selected.push(image);
    if (selected.length >= limit) break;
  }
  return selected;
}

/** The order of lists: `published_at` as time, ties by uuid. The real server leaves ties open, and its clients see duplicates. */
export function comparePositions(a: ListPosition, b: ListPosition): number {
  return comparePublishedAt(a.publishedAt, b.publishedAt) || (a.uuid < b.uuid ? -1 : Number(a.uuid > b.uuid));
}

/** Negative before the marker, 0 at it, positive after it; 0 without one. */
function placeOf(manifest: Manifest, marker: Marker | undefined, position: ListPosition | undefined): number {
  if (marker?.kind === 'date') return comparePublishedAt(manifest.publishedAt, marker.publishedAt);
  return marker === undefined || position === undefined ? 0 : comparePositions(manifest, position);
}

function isUnfiltered({ filter, limit }: ListQuery): boolean {
  const { tags, billingTags, ...fields } = filter;
  return (
    limit === undefined &&
    tags.length === 0 &&
    billingTags.length === 0 &&
    Object.values(fields).every((value) => value === undefined)
  );
}

function refuseAdminFields(value: QueryParams[string]): void {
  if (parseBoolean('inclAdminFields', value) !== true) return;
  throw new MirrorError('UnauthorizedError', 'Unauthorized (auth required to use "inclAdminFields" parameter)');
}

/** Undefined = no limit, for `''` and `0` too; what is negative allows no image. */
function parseLimit(value: QueryParams[string]): number | undefined {
  if (value === undefined || value === '') return undefined;
  const limit = typeof value === 'string' ? Number(value) : Number.NaN;
  if (Number.isNaN(limit)) throw invalid('limit', `invalid limit: "${text(value)}"`);
  return limit === 0 ? undefined : Math.max(0, Math.trunc(limit));
}

/** `all` is `active` to the public. */
function parseState(value: QueryParams[string]): 'active' | 'inactive' {
  if (value === undefined || value === '' || value === 'active' || value === 'all') return 'active';
  if (typeof value === 'string' && INACTIVE_STATES.has(value)) return 'inactive';
  throw invalid('state', `invalid state: "${text(value)}"`);
}

function parseBoolean(field: string, value: QueryParams[string]): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === 'true') return true;
  if (value === 'false') return false;
  throw invalid(field, `invalid value for "${field}" param: ${JSON.stringify(value)} is not a boolean`);
}

function parseSort(value: QueryParams[string]): 'asc' | 'desc' {
  if (value === undefined || value === '') return 'asc';
  const [attribute = '', order = ''] = typeof value === 'string' ? value.split('.') : [text(value)];
  if (attribute !== 'published_at') {
    throw invalid('sort', `invalid 'sort': not a valid sorting attribute: '${attribute}'`);
  }
  switch (order.toLowerCase()) {
    case '':
    case 'asc':
      return 'asc';
    case 'desc':
      return 'desc';
    default:
      throw invalid('sort', `invalid 'sort': not a valid sorting order: '${order}'`);
  }
}

function parseMarker(value: QueryParams[string]): Marker | undefined {
  if (value === undefined || value === '') return undefined;
  if (isImageUuid(value)) return { kind: 'uuid', uuid: value };
  const publishedAt = typeof value === 'string' ? parsePublishedAt(value) : undefined;
  if (publishedAt !== undefined) return { kind: 'date', publishedAt };
  throw invalid('marker', `invalid value for "marker" param: ${JSON.stringify(value)} is not a UUID or date string`);
}

/** `tag.KEY=VALUE` as `KEY=VALUE`; a key given twice asks for its values joined by a comma, as on the real server. */
function parseTags(params: QueryParams): string[] {
  return Object.keys(params)
    .filter((key) => key.startsWith(TAG_PREFIX))
    .map((key) => `${key.slice(TAG_PREFIX.length)}=${text(params[key])}`);
}

/** A parameter as one string; several values are joined by commas, which is how the real server prints them. */
function text(value: string | readonly string[]): string;
function text(value: QueryParams[string]): string | undefined;
function text(value: QueryParams[string]): string | undefined {
  return typeof value === 'string' ? value : value?.join(',');
}

function invalid(field: string, message: string): MirrorError {
  return new MirrorError('InvalidParameter', message, { errors: [{ field, code: 'Invalid' }] });
}
