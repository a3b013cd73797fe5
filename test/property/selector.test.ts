/** The laws of selectors, over small catalogs where names, dates and origins collide all the time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { comparePositions } from '../../src/imgapi/list-query.ts';
import type { Manifest } from '../../src/imgapi/manifest.ts';
import type { Facts } from '../../src/selector/match.ts';
import { parseSelector } from '../../src/selector/parse.ts';
import { printSelector } from '../../src/selector/print.ts';
import { select } from '../../src/selector/select.ts';
import type { Selector } from '../../src/selector/selector.ts';
import { manifestOf, uuidOf } from '../support/manifest-of.ts';
import { publishedAtText } from './arbitraries.ts';

interface Image {
  readonly manifest: Manifest;
}

const MAX = 14;

const image: fc.Arbitrary<Image> = fc
  .record(
    {
      uuid: fc.nat({ max: MAX }),
      origin: fc.nat({ max: MAX }),
      published_at: publishedAtText,
      name: fc.constantFrom('base', 'base-64', 'two words', 7),
      os: fc.constantFrom('smartos', 'linux'),
      files: fc.array(fc.record({ sha1: fc.constant('0'.repeat(40)), size: fc.constantFrom(0, 1024, 5000) }), {
        maxLength: 2,
      }),
      tags: fc.record({ role: fc.constantFrom('os', 'db') }, { requiredKeys: [] }),
      channels: fc.subarray(['dev', 'release']),
    },
    { requiredKeys: ['uuid', 'published_at', 'files'] },
  )
  .map(({ uuid, origin, ...fields }) => ({
    manifest: manifestOf({
      ...fields,
      uuid: uuidOf(uuid),
      ...(origin === undefined || origin === uuid ? {} : { origin: uuidOf(origin) }),
    }),
  }));

const catalog = fc.uniqueArray(image, { maxLength: 20, selector: ({ manifest }) => manifest.uuid });

const FACTS: Facts<Image> = {
  isCached: ({ manifest }) => manifest.uuid < uuidOf(5),
  isPinned: ({ manifest }) => manifest.uuid.charCodeAt(7) % 3 === 0,
  isContradicted: ({ manifest }) => manifest.uuid.charCodeAt(7) % 4 === 0,
  isListed: ({ manifest }) => manifest.uuid.charCodeAt(7) % 5 !== 0,
  upstreamsOf: ({ manifest }) => (manifest.uuid < uuidOf(9) ? ['a'] : ['a', 'b']),
  channelsOf: ({ manifest }) => manifest.channels ?? [],
};

const comparison = fc.constantFrom('=', '<', '<=', '>', '>=');
const termText = fc.oneof(
  fc.nat({ max: MAX }).map(uuidOf),
  fc.constantFrom('name=base', 'name=b*', 'name="two words"', 'name=?', 'version=*', 'os=linux', 'os=s*', 'type=z*'),
  fc.constantFrom('upstream=b', 'channel=dev', 'channel=*', 'tag.role=*', 'tag.role=db'),
  fc.constantFrom('cached', 'not-cached', 'pinned', 'conflict', 'unlisted'),
  fc
    .tuple(
      comparison,
      fc.constantFrom('2019', '2020', '2020-01', '2020-01-01', '2020-01-01T00:00', '2020-01-01T00:00:00.5Z'),
    )
    .map(([is, date]) => `published${is}${date}`),
  fc.tuple(comparison, fc.constantFrom('0', '1KiB', '2KiB')).map(([is, size]) => `size${is}${size}`),
);

function isUuid(term: string): boolean {
  return term.startsWith('0');
}

/** Terms with at most one uuid among them. */
const terms = fc.array(termText, { minLength: 1, maxLength: 4 }).filter((texts) => texts.filter(isUuid).length <= 1);
const selectorText = fc
  .record({ terms, latest: fc.option(fc.integer({ min: 1, max: 3 })), origins: fc.boolean() })
  .map((parts) =>
    [
      ...parts.terms,
      ...(parts.latest === null ? [] : [`latest=${parts.latest}`]),
      ...(parts.origins ? ['with-origins'] : []),
    ].join(' '),
  );

function selectorOf(text: string): Selector {
  const parsed = parseSelector(text);
  assert.ok(parsed.ok, text);
  return parsed.selector;
}

function uuidsOf(images: readonly Image[], ...texts: readonly string[]): string[] {
  return select(texts.map(selectorOf), images, FACTS).images.map(({ manifest }) => manifest.uuid);
}

test('what is selected is sorted as lists are, each image once, whatever the order of images and selectors', () => {
  fc.assert(
    fc.property(catalog, fc.array(selectorText, { maxLength: 3 }), (images, texts) => {
      const { images: found } = select(texts.map(selectorOf), images, FACTS);
      for (const [at, { manifest }] of found.entries()) {
        const next = found[at + 1];
        assert.ok(next === undefined || comparePositions(manifest, next.manifest) < 0);
      }
      assert.deepEqual(uuidsOf(images.toReversed(), ...texts.toReversed()), uuidsOf(images, ...texts));
    }),
  );
});

test('several selectors select the union of what each selects', () => {
  fc.assert(
    fc.property(catalog, selectorText, selectorText, (images, one, other) => {
      const union = new Set([...uuidsOf(images, one), ...uuidsOf(images, other)]);
      assert.deepEqual(new Set(uuidsOf(images, one, other)), union);
    }),
  );
});

test('several terms select the intersection of what each selects', () => {
  fc.assert(
    fc.property(catalog, terms, (images, texts) => {
      const each = texts.map((text) => new Set(uuidsOf(images, text)));
      const expected = images
        .map(({ manifest }) => String(manifest.uuid))
        .filter((uuid) => each.every((set) => set.has(uuid)));
      assert.deepEqual(new Set(uuidsOf(images, texts.join(' '))), new Set(expected));
    }),
  );
});

test('latest never gives more than N of a name, and none that is older than one it leaves out', () => {
  fc.assert(
    fc.property(catalog, terms, fc.integer({ min: 1, max: 4 }), (images, texts, count) => {
      const all = select([selectorOf(texts.join(' '))], images, FACTS).images;
      const newest = new Set(select([selectorOf(`${texts.join(' ')} latest=${count}`)], images, FACTS).images);
      for (const name of new Set(all.map(({ manifest }) => manifest.json['name']))) {
        const ofName = all.filter(({ manifest }) => manifest.json['name'] === name);
        assert.deepEqual(
          ofName.filter((one) => newest.has(one)),
          ofName.slice(-count),
        );
      }
    }),
  );
});

test('with-origins adds the least that is closed: nothing is missing that is known, nothing is there that nobody rests on', () => {
  fc.assert(
    fc.property(catalog, terms, (images, texts) => {
      const text = texts.join(' ');
      const seeds = select([selectorOf(text)], images, FACTS).images;
      const { images: closed, missingOrigins } = select([selectorOf(`${text} with-origins`)], images, FACTS);
      const byUuid = new Map(images.map((one) => [one.manifest.uuid, one]));
      const reached = new Set<Image>();
      const visit = (one: Image | undefined): void => {
        if (one === undefined || reached.has(one)) return;
        reached.add(one);
        if (one.manifest.origin !== undefined) visit(byUuid.get(one.manifest.origin));
      };
      for (const one of seeds) visit(one);
      assert.deepEqual(new Set(closed), reached);
      const unknown = closed.flatMap(({ manifest: { origin } }) =>
        origin === undefined || byUuid.has(origin) ? [] : [origin],
      );
      assert.deepEqual(new Set(missingOrigins), new Set(unknown));
      // Closing what is closed changes nothing.
      const again = closed.map(({ manifest }) => `${manifest.uuid} with-origins`);
      assert.deepEqual(
        uuidsOf(images, ...again),
        closed.map(({ manifest }) => manifest.uuid),
      );
    }),
  );
});

test('selecting among what was selected selects all of it', () => {
  fc.assert(
    fc.property(catalog, selectorText, (images, text) => {
      const found = select([selectorOf(text)], images, FACTS).images;
      // Without its origins: they need not meet the terms, so they may not count for latest either.
      if (!text.includes('with-origins'))
        assert.deepEqual(
          uuidsOf(found, text),
          found.map(({ manifest }) => manifest.uuid),
        );
    }),
  );
});

test('a selector is reported as empty if and only if it selects nothing, and the reason never throws', () => {
  fc.assert(
    fc.property(catalog, fc.array(selectorText, { minLength: 1, maxLength: 3 }), (images, texts) => {
      const { empty } = select(texts.map(selectorOf), images, FACTS);
      assert.equal(empty.length, texts.filter((text) => uuidsOf(images, text).length === 0).length);
    }),
  );
});

test('what is printed parses back to the same selector, and any text is parsed or refused', () => {
  fc.assert(
    fc.property(selectorText, (text) => {
      const selector = selectorOf(text);
      assert.deepEqual(selectorOf(printSelector(selector)), selector);
    }),
  );
  const character = fc.constantFrom(
    'n',
    'a',
    'm',
    'e',
    '=',
    '"',
    '\\',
    ' ',
    '*',
    '?',
    '<',
    '>',
    '.',
    't',
    'g',
    '0',
    '\u00e4',
    '\ud83d',
  );
  const noise = fc
    .array(fc.oneof(character, fc.constantFrom('name=', 'tag.a', 'published>', 'latest=2')), { maxLength: 12 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(noise, (text) => {
      const parsed = parseSelector(text);
      if (!parsed.ok) {
        assert.ok(parsed.problems.length > 0);
        for (const { term, position } of parsed.problems) assert.ok(text.startsWith(term, position));
        return;
      }
      assert.deepEqual(selectorOf(printSelector(parsed.selector)), parsed.selector);
    }),
    { numRuns: 1000 },
  );
});
