/** Manifests for unit tests: small, valid, with whatever fields a test is about laid over them. */
import { createHash } from 'node:crypto';
import { parseManifest } from '../../src/imgapi/manifest.ts';
import type { Manifest } from '../../src/imgapi/manifest.ts';

const BASE = {
  v: 2,
  uuid: '11111111-1111-4111-8111-111111111111',
  owner: '00000000-0000-0000-0000-000000000000',
  name: 'base',
  version: '1.0.0',
  state: 'active',
  disabled: false,
  public: true,
  published_at: '2020-01-01T00:00:00.000Z',
  type: 'zone-dataset',
  os: 'smartos',
  files: [{ sha1: sha1Of('base'), size: 1000, compression: 'gzip' }],
};

/** A checked manifest; throws if the fields make it one that parseManifest refuses. */
export function manifestOf(fields: Readonly<Record<string, unknown>>): Manifest {
  const result = parseManifest({ ...BASE, ...fields });
  if (!result.ok) throw new TypeError(`not a manifest: ${result.problem}`);
  return result.manifest;
}

/** The nth of a row of uuids that sort by n. */
export function uuidOf(n: number): string {
  return `${n.toString(16).padStart(8, '0')}-1111-4111-8111-111111111111`;
}

/** `files` with one file per content; equal contents have equal SHA-1s. */
export function filesOf(...contents: readonly string[]): { sha1: string; size: number }[] {
  return contents.map((content) => ({ sha1: sha1Of(content), size: 1000 }));
}

/** The SHA-1 of a content, hex. */
export function sha1Of(content: string): string {
  return createHash('sha1').update(content).digest('hex');
}
