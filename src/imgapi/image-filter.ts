/**
 * Which images a `GET /images` query selects, field by field as the real server's database compares them (sdc-imgapi,
 * `lib/database.js`): values by their string form, nothing but strings, numbers and booleans ever equal.
 */
import type { Manifest } from './manifest.ts';

/** The filters of one query; what is undefined or empty filters nothing. An empty string is a filter: hardly an image matches it. */
export interface ImageFilter {
  /** Exact, or a case-sensitive substring after a leading `~`. */
  readonly name: string | undefined;
  /** As `name`. */
  readonly version: string | undefined;
  readonly os: string | undefined;
  readonly owner: string | undefined;
  /** Exact, or anything but what follows a leading `!`. */
  readonly type: string | undefined;
  readonly public: boolean | undefined;
  /** `key=value`, all of which must match. */
  readonly tags: readonly string[];
  /** All of which must be among the image's `billing_tags`. */
  readonly billingTags: readonly string[];
  /** Only what this account may see: its own images, public ones, and those whose `acl` names it. */
  readonly account: string | undefined;
}

/** The real server indexes a longer tag value as the empty string. */
const MAX_TAG_LENGTH = 100;

/** Whether one image passes every filter. */
export function matchesFilter({ json }: Manifest, filter: ImageFilter): boolean {
  return (
    matchesText(json['name'], filter.name) &&
    matchesText(json['version'], filter.version) &&
    (filter.os === undefined || textOf(json['os']) === filter.os) &&
    (filter.owner === undefined || textOf(json['owner']) === filter.owner) &&
    matchesType(json['type'], filter.type) &&
    // IMGAPI's default: an image is private until it says otherwise.
    (filter.public === undefined || (textOf(json['public']) === 'true') === filter.public) &&
    (filter.tags.length === 0 || containsAll(tagTexts(json['tags']), filter.tags)) &&
    (filter.billingTags.length === 0 || containsAll(strings(json['billing_tags']), filter.billingTags)) &&
    (filter.account === undefined ||
      textOf(json['owner']) === filter.account ||
      textOf(json['public']) === 'true' ||
      strings(json['acl']).includes(filter.account))
  );
}

function matchesText(value: unknown, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const text = textOf(value);
  if (text === undefined) return false;
  return wanted.startsWith('~') ? text.includes(wanted.slice(1)) : text === wanted;
}

function matchesType(value: unknown, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return wanted.startsWith('!') ? textOf(value) !== wanted.slice(1) : textOf(value) === wanted;
}

/** Strings, numbers and booleans as text. Not String(): an object's own `toString`, as JSON may hold it, would throw. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** An image's tags as `key=value`. A value that is an object, or too long, counts as empty: its key can be asked for, not its value. */
function tagTexts(tags: unknown): string[] {
  if (typeof tags !== 'object' || tags === null) return [];
  return Object.entries(tags).map(([key, value]) => {
    const text = textOf(value) ?? '';
    return `${key}=${text.length > MAX_TAG_LENGTH ? '' : text}`;
  });
}

/** A field that holds several strings, or one of them bare. */
function strings(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value : [];
}

function containsAll(values: readonly unknown[], wanted: readonly string[]): boolean {
  return wanted.every((one) => values.includes(one));
}
