/**
 * An image manifest as the mirror sees it: the JSON its upstream wrote, untouched, beside the few facts the mirror needs of it.
 */
import { createHash } from 'node:crypto';
import { isImageUuid, isSha1Hex } from './ids.ts';
import { parsePublishedAt } from './published-at.ts';
import type { ImageUuid, Sha1Hex } from './ids.ts';
import type { PublishedAt } from './published-at.ts';
import type { ApiVersion } from './versions.ts';

/** A manifest as parsed from its upstream's JSON: every field, in its order. Never changed, only serialized again. */
export type ManifestJson = Readonly<Record<string, unknown>>;

/** One entry of a manifest's `files`. */
export interface ImageFile {
  readonly sha1: Sha1Hex;
  /** Bytes as transferred (compressed). */
  readonly size: number;
}

/** A checked manifest. Built only by `parseManifest`. */
export interface Manifest {
  readonly uuid: ImageUuid;
  readonly publishedAt: PublishedAt;
  /** `active`, `disabled`, `unactivated`, ... as the upstream says. */
  readonly state: string;
  readonly files: readonly ImageFile[];
  readonly origin: ImageUuid | undefined;
  /** The channels the image is in; undefined where its upstream has no channels. */
  readonly channels: readonly string[] | undefined;
  /** True if the image has an icon. */
  readonly hasIcon: boolean;
  readonly json: ManifestJson;
}

/** A manifest, or what is wrong with it; `uuid` and `problem` are short enough for a log line. */
export type ParseResult =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly uuid: string | undefined; readonly problem: string };

export interface ParseManifestOptions {
  /**
   * False lets `published_at` be absent, as it is on an unactivated image looked up by uuid; the image then counts as published in
   * 1970. Default true.
   */
  readonly requirePublished?: boolean;
}

/** Real manifests nest 4 deep. JSON.parse takes any depth, but JSON.stringify overflows the stack at some thousands. */
const MAX_DEPTH = 64;
const UNPUBLISHED: PublishedAt = { epochMs: 0, nanos: 0 };

/** Why a value is not a manifest we can pass on; thrown and caught within this file only. */
class ManifestProblem extends Error {}

/**
 * Checks one parsed JSON value, an element of a list or a single answer. It refuses what makes imgadm abort, hang or fail the whole
 * `avail` (a bad uuid, `published_at`, file or origin; a docker image without its id) and nothing else. Never throws.
 */
export function parseManifest(value: unknown, options: ParseManifestOptions = {}): ParseResult {
  try {
    return { ok: true, manifest: checked(value, options.requirePublished ?? true) };
  } catch (error) {
    if (!(error instanceof ManifestProblem)) throw error;
    const uuid = isObject(value) && typeof value['uuid'] === 'string' ? value['uuid'].slice(0, 64) : undefined;
    return { ok: false, uuid, problem: error.message };
  }
}

/** The manifest as an API version serializes it: v1 leaves out `channels`, v2 is the upstream's JSON as it came. */
function manifestJson(manifest: Manifest, apiVersion: ApiVersion): ManifestJson {
  if (apiVersion === 2 || !('channels' in manifest.json)) return manifest.json;
  const { channels: _, ...rest } = manifest.json;
  return rest;
}

/** The body of `GET /images/:uuid`: JSON indented by 2, fields and nested keys in the upstream's order. */
export function manifestText(manifest: Manifest, apiVersion: ApiVersion): string {
  return JSON.stringify(manifestJson(manifest, apiVersion), null, 2);
}

/** The Etag of `GET /images/:uuid`, unquoted as the real server sends it: the SHA-1 (hex) of that version's compact JSON. */
export function manifestEtag(manifest: Manifest, apiVersion: ApiVersion): string {
  return createHash('sha1')
    .update(JSON.stringify(manifestJson(manifest, apiVersion)))
    .digest('hex');
}

function checked(value: unknown, requirePublished: boolean): Manifest {
  const json = value;
  if (!isObject(json)) throw new ManifestProblem(`not an object: ${shown(value)}`);
  const { uuid, state = 'active', icon } = json;
  if (!isImageUuid(uuid)) throw new ManifestProblem(`uuid is not a lower-case uuid: ${shown(uuid)}`);
  if (typeof state !== 'string') throw new ManifestProblem(`state is not a string: ${shown(state)}`);
  // A missing name or version is a dash in `imgadm avail`; null makes `imgadm avail name=~base` fail for every source.
  requireLabel(json, 'name');
  requireLabel(json, 'version');
  requireDockerId(json);
  if (isDeeperThan(json, MAX_DEPTH)) throw new ManifestProblem(`nested deeper than ${MAX_DEPTH}`);
  return {
    uuid,
    publishedAt: publishedAtOf(json['published_at'], requirePublished),
    state,
    files: filesOf(json['files']),
    origin: originOf(json['origin'], uuid),
    channels: channelsOf(json['channels']),
    hasIcon: Boolean(icon),
    json,
  };
}

function publishedAtOf(value: unknown, isRequired: boolean): PublishedAt {
  if (value === undefined || value === null) {
    if (isRequired) throw new ManifestProblem('published_at is missing');
    return UNPUBLISHED;
  }
  const publishedAt = typeof value === 'string' ? parsePublishedAt(value) : undefined;
  if (publishedAt === undefined) throw new ManifestProblem(`published_at is not a date: ${shown(value)}`);
  return publishedAt;
}

function filesOf(value: unknown): ImageFile[] {
  if (!Array.isArray(value)) throw new ManifestProblem(`files is not an array: ${shown(value)}`);
  return value.map((file: unknown, index) => {
    if (!isObject(file)) throw new ManifestProblem(`files[${index}] is not an object: ${shown(file)}`);
    const { sha1, size } = file;
    if (!isSha1Hex(sha1)) {
      throw new ManifestProblem(`files[${index}].sha1 is not 40 lower-case hex digits: ${shown(sha1)}`);
    }
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw new ManifestProblem(`files[${index}].size is not a number of bytes: ${shown(size)}`);
    }
    return { sha1, size };
  });
}

function originOf(value: unknown, uuid: ImageUuid): ImageUuid | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isImageUuid(value)) throw new ManifestProblem(`origin is not a lower-case uuid: ${shown(value)}`);
  // imgadm follows origins until there is none; it would ask for this image for ever.
  if (value === uuid) throw new ManifestProblem('origin is the image itself');
  return value;
}

function channelsOf(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every((channel) => typeof channel === 'string')) {
    throw new ManifestProblem(`channels is not an array of strings: ${shown(value)}`);
  }
  return value;
}

function requireLabel(json: ManifestJson, field: 'name' | 'version'): void {
  const value = json[field];
  if (value !== undefined && typeof value !== 'string' && typeof value !== 'number') {
    throw new ManifestProblem(`${field} is neither a string nor a number: ${shown(value)}`);
  }
}

function requireDockerId(json: ManifestJson): void {
  if (json['type'] !== 'docker') return;
  const tags = json['tags'];
  if (!isObject(tags) || typeof tags['docker:id'] !== 'string') {
    throw new ManifestProblem('type is docker but tags["docker:id"] is not a string');
  }
}

function isObject(value: unknown): value is ManifestJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}

/** A value as a log line can carry it. Objects are only named: printing one costs time, and overflows if it is nested deep enough. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : String(value);
}
