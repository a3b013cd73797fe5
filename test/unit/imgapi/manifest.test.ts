import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { manifestEtag, manifestText, parseManifest } from '../../../src/imgapi/manifest.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';

const UUID = '2ab26a8c-616b-4b2f-9a30-b121c044c278';
const ORIGIN = 'febaa412-6417-11e0-bc56-535d219f2590';
const SHA1 = 'b48096ddb93ae268326e351c17dbd690669cfa68';

/** A small v2 manifest; `changes` are laid over it, undefined takes a field away. */
function json(changes: Record<string, unknown> = {}): Record<string, unknown> {
  const whole = {
    v: 2,
    uuid: UUID,
    name: 'alpine',
    version: '20260311',
    state: 'active',
    published_at: '2026-03-26T18:08:07.539Z',
    type: 'zvol',
    files: [{ sha1: SHA1, size: 110_285_323, compression: 'gzip' }],
    ...changes,
  };
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
}

function manifest(changes: Record<string, unknown> = {}): Manifest {
  const result = parseManifest(json(changes));
  assert.ok(result.ok, result.ok ? '' : result.problem);
  return result.manifest;
}

test('takes the facts out of a manifest and leaves its JSON alone', () => {
  const value = json({ origin: ORIGIN, channels: ['dev', 'release'], icon: true });
  const before = JSON.stringify(value);
  const result = parseManifest(value);
  assert.ok(result.ok);
  const { json: kept, ...facts } = result.manifest;
  assert.deepEqual(facts, {
    uuid: UUID,
    publishedAt: { epochMs: Date.parse('2026-03-26T18:08:07.539Z'), nanos: 0 },
    state: 'active',
    files: [{ sha1: SHA1, size: 110_285_323 }],
    origin: ORIGIN,
    channels: ['dev', 'release'],
    hasIcon: true,
  });
  assert.equal(kept, value);
  assert.equal(JSON.stringify(kept), before);
});

function sha1(value: unknown): string {
  return createHash('sha1').update(JSON.stringify(value), 'utf8').digest('hex');
}

const ACCEPTED: Readonly<Record<string, Record<string, unknown>>> = {
  'no files at all': { files: [] },
  'a file of no bytes': { files: [{ sha1: SHA1, size: 0 }] },
  '"v" as a string': { v: '2' },
  'no "v"': { v: undefined },
  'a numeric version': { version: 1 },
  'a version with a slash': { version: 'master/16.1.0' },
  'no name': { name: undefined },
  'no version': { version: undefined },
  'image_size as a string': { image_size: '10240' },
  'an unknown type and os': { type: 'template', os: 'QEMU' },
  'files[].md5': { files: [{ sha1: SHA1, size: 1, md5: '0' }] },
  'a uuid without a version digit': { uuid: '07f360fd-12d5-e624-a279-eb8a15b630f6' },
  'an owner that is no uuid': { owner: 'dd477da-a236-c0af-de43-35700d1b9428a' },
  'a null origin': { origin: null },
  'null channels': { channels: null },
  'a docker image with its id': { type: 'docker', tags: { 'docker:id': 'sha256:00' } },
  'a private image': { public: false },
};

for (const [what, changes] of Object.entries(ACCEPTED)) {
  test(`accepts ${what}`, () => {
    assert.equal(JSON.stringify(manifest(changes).json), JSON.stringify(json(changes)));
  });
}

test('takes an image without a state, as v1 manifests are, for active', () => {
  assert.equal(manifest({ state: undefined }).state, 'active');
  assert.equal(manifest({ state: 'disabled' }).state, 'disabled');
});

const REFUSED: readonly (readonly [what: string, value: unknown, problem: RegExp])[] = [
  ['null', null, /^not an object: null/],
  ['a string', UUID, /^not an object/],
  ['an array', [json()], /^not an object: an array/],
  ['no uuid', json({ uuid: undefined }), /^uuid /],
  ['an upper-case uuid', json({ uuid: UUID.toUpperCase() }), /^uuid /],
  ['a uuid with one digit too many', json({ uuid: `${UUID}0` }), /^uuid /],
  ['no published_at', json({ published_at: undefined }), /^published_at is missing/],
  ['a null published_at', json({ published_at: null }), /^published_at is missing/],
  ['a numeric published_at', json({ published_at: 1_415_404_800_000 }), /^published_at is not a date/],
  ['a published_at that is no date', json({ published_at: 'soon' }), /^published_at is not a date: "soon"/],
  ['a numeric state', json({ state: 1 }), /^state /],
  ['a null name', json({ name: null }), /^name /],
  ['a version that is an object', json({ version: {} }), /^version .*an object/],
  ['no files', json({ files: undefined }), /^files is not an array: undefined/],
  ['files that are an object', json({ files: {} }), /^files is not an array/],
  ['a null file', json({ files: [null] }), /^files\[0\] is not an object/],
  ['a file without sha1', json({ files: [{ size: 1 }] }), /^files\[0\]\.sha1/],
  ['an upper-case sha1', json({ files: [{ sha1: SHA1.toUpperCase(), size: 1 }] }), /^files\[0\]\.sha1/],
  [
    'a bad second file',
    json({
      files: [
        { sha1: SHA1, size: 1 },
        { sha1: 'x', size: 1 },
      ],
    }),
    /^files\[1\]\.sha1/,
  ],
  ['a size that is a string', json({ files: [{ sha1: SHA1, size: '1' }] }), /^files\[0\]\.size/],
  ['a negative size', json({ files: [{ sha1: SHA1, size: -1 }] }), /^files\[0\]\.size/],
  ['a size with a fraction', json({ files: [{ sha1: SHA1, size: 1.5 }] }), /^files\[0\]\.size/],
  ['a size beyond exact numbers', json({ files: [{ sha1: SHA1, size: 2 ** 53 }] }), /^files\[0\]\.size/],
  ['an origin that is no uuid', json({ origin: 'base' }), /^origin is not/],
  ['an image that is its own origin', json({ origin: UUID }), /^origin is the image itself/],
  ['channels that are a string', json({ channels: 'dev' }), /^channels /],
  ['a numeric channel', json({ channels: [1] }), /^channels /],
  ['a docker image without tags', json({ type: 'docker' }), /docker:id/],
  ['a docker image whose tags are null', json({ type: 'docker', tags: null }), /docker:id/],
  ['a docker image with a numeric id', json({ type: 'docker', tags: { 'docker:id': 1 } }), /docker:id/],
];

for (const [what, value, problem] of REFUSED) {
  test(`refuses ${what}`, () => {
    const result = parseManifest(value);
    assert.ok(!result.ok);
    assert.match(result.problem, problem);
    assert.ok(result.problem.length < 160);
  });
}

test('names the refused image by its uuid, cut to what a log line can carry', () => {
  const refused = parseManifest(json({ files: null }));
  assert.ok(!refused.ok);
  assert.equal(refused.uuid, UUID);
  const endless = parseManifest(json({ uuid: 'x'.repeat(100_000) }));
  assert.ok(!endless.ok);
  assert.equal(endless.uuid?.length, 64);
  assert.ok(endless.problem.length < 160);
});

test('lets an image looked up by uuid be unpublished, but not published at nonsense', () => {
  const options = { requirePublished: false };
  const unactivated = parseManifest(json({ published_at: undefined, state: 'unactivated' }), options);
  assert.ok(unactivated.ok);
  assert.deepEqual(unactivated.manifest.publishedAt, { epochMs: 0, nanos: 0 });
  assert.equal(parseManifest(json({ published_at: 5 }), options).ok, false);
});

test('refuses a manifest nested so deep that serializing it would overflow the stack', () => {
  const bomb: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`);
  const result = parseManifest(json({ tags: { bomb } }));
  assert.ok(!result.ok);
  assert.match(result.problem, /deeper/);
});

test('is not harmed by keys that mean something to JavaScript', () => {
  const text = JSON.stringify(json()).replace(
    '{',
    '{"__proto__":{"state":"disabled"},"constructor":1,"toString":null,"hasOwnProperty":2,',
  );
  const result = parseManifest(JSON.parse(text));
  assert.ok(result.ok);
  assert.equal(result.manifest.state, 'active');
  assert.equal(JSON.stringify(JSON.parse(manifestText(result.manifest, 1))), text);
});

test('serializes v2 as it came, indented by 2, key order kept', () => {
  const value = { zebra: 1, ...json({ requirements: { b: 1, a: [] }, channels: ['dev'] }) };
  const parsed = parseManifest(value);
  assert.ok(parsed.ok);
  assert.equal(manifestText(parsed.manifest, 2), JSON.stringify(value, null, 2));
});

test('serializes v1 without channels and otherwise the same', () => {
  const withChannels = manifest({ channels: ['dev'] });
  assert.equal(manifestText(withChannels, 1), JSON.stringify(json(), null, 2));
  assert.equal(manifestText(manifest(), 1), manifestText(manifest(), 2));
});

test('makes the Etag the SHA-1 of the compact JSON of that version', () => {
  const subject = manifest({ channels: ['dev'], description: 'Größe' });
  assert.equal(manifestEtag(subject, 2), sha1(json({ channels: ['dev'], description: 'Größe' })));
  assert.equal(manifestEtag(subject, 1), sha1(json({ description: 'Größe' })));
});
