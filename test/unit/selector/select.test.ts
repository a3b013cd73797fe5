import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifest } from '../../../src/imgapi/manifest.ts';
import { formatNoMatch } from '../../../src/selector/no-match.ts';
import { select } from '../../../src/selector/select.ts';
import { manifestOf, uuidOf } from '../../support/manifest-of.ts';
import { loadSharedCatalog } from '../../support/shared-data.ts';
import { FACTS, numbers, SAMPLE, selected, selectorOf } from './sample.ts';

function whyEmpty(text: string): string {
  return selected(text).empty.map(formatNoMatch).join('\n');
}

test('gives images in the order of lists, whatever the order of the selectors, each once', () => {
  assert.deepEqual(numbers('name=postgres', 'name=base-64', 'version=2*'), [1, 2, 4, 5, 6, 3]);
});

test('takes patterns, exact values and numbers as text', () => {
  assert.deepEqual(numbers('name=base*'), [1, 2, 3]);
  assert.deepEqual(numbers('name=base'), []);
  assert.deepEqual(numbers('version=2?.4.0'), [1, 2, 3]);
  assert.deepEqual(numbers('version=20240612'), [6]);
  assert.deepEqual(numbers('name="odd one"'), [7]);
  assert.deepEqual(numbers(String.raw`name=odd\ one`), [7]);
  assert.deepEqual(numbers(String.raw`name=base\*`), []);
  assert.deepEqual(numbers('os=linux'), [6]);
  assert.deepEqual(numbers('type=lx*'), [6]);
  assert.deepEqual(numbers('upstream=extra'), [7, 6]);
});

test('takes tags whatever is in their names, of texts, numbers and truths', () => {
  assert.deepEqual(numbers('tag.role=db'), [4]);
  assert.deepEqual(numbers('tag.role=*'), [1, 2, 4, 3]);
  assert.deepEqual(numbers('tag.docker:id="x y"'), [4]);
  assert.deepEqual(numbers('tag.cores=2'), [4]);
  assert.deepEqual(numbers('tag.toString=*'), []);
});

test('an image is in the channels it names, and in none where its upstream has no channels', () => {
  assert.deepEqual(numbers('channel=dev'), [6]);
  assert.deepEqual(numbers('channel=*'), [6]);
  assert.deepEqual(numbers('channel=nightly'), []);
});

test('compares dates as precisely as they are written', () => {
  assert.deepEqual(numbers('published>=2024-06-12'), [6, 3]);
  assert.deepEqual(numbers('published>2024-06-12'), [3]);
  assert.deepEqual(numbers('published<=2024-01-09'), [7, 1, 2]);
  assert.deepEqual(numbers('published<2024-01-09'), [7, 1]);
  assert.deepEqual(numbers('published=2024'), [2, 4, 5, 6]);
  assert.deepEqual(numbers('published=2024-06'), [5, 6]);
  assert.deepEqual(numbers('published=2024-06-12T12:30+02:00'), [6]);
  assert.deepEqual(numbers('published=2024-06-12T10:30:15'), [6]);
  assert.deepEqual(numbers('published=2024-06-01T00:00:00.123456789Z'), [5]);
  assert.deepEqual(numbers('published>2024-06-01T00:00:00.123456789Z published<2024-06-02'), []);
  assert.deepEqual(numbers('published=2023-12'), []);
});

test('compares the size of all files together', () => {
  assert.deepEqual(numbers('size>1GiB'), [7]);
  assert.deepEqual(numbers('size>=3GiB'), [7]);
  assert.deepEqual(numbers('size<2GiB name=postgres'), [4, 5]);
  assert.deepEqual(numbers('size=3072MiB'), [7]);
});

test('asks outside what is cached, pinned, in conflict and in no list', () => {
  assert.deepEqual(numbers('cached'), [1, 2]);
  assert.deepEqual(numbers('not-cached name=base-64'), [3]);
  assert.deepEqual(numbers('pinned'), [2]);
  assert.deepEqual(numbers('conflict'), [4]);
  assert.deepEqual(numbers('unlisted'), [7]);
});

test('latest counts the newest of each name among what the other terms leave', () => {
  assert.deepEqual(numbers('latest=1'), [7, 5, 6, 3]);
  assert.deepEqual(numbers('name=base-64 latest=2'), [2, 3]);
  assert.deepEqual(numbers('latest=1 cached'), [2]);
  assert.deepEqual(numbers('latest=9 name=base-64'), [1, 2, 3]);
});

test('with-origins adds the whole chain, terms or not, and names the origins that nobody knows', () => {
  assert.deepEqual(numbers('name=postgres latest=1 with-origins'), [2, 4, 5]);
  const { images, missingOrigins } = selected('name="odd one" with-origins');
  assert.equal(images.length, 1);
  assert.deepEqual(missingOrigins, [uuidOf(99)]);
  assert.deepEqual(selected('name="odd one"').missingOrigins, []);
});

test('takes a uuid in any case, and the beginning of one if it is one image’s alone', () => {
  assert.deepEqual(numbers(uuidOf(6).toUpperCase()), [6]);
  assert.deepEqual(numbers('00000006'), [6]);
  assert.deepEqual(numbers('00000006-1111-4'), [6]);
  assert.deepEqual(numbers(`${uuidOf(6)} os=smartos`), []);
});

test('a beginning that several uuids share selects none of them, even where other terms would decide', () => {
  const [first] = SAMPLE;
  assert.ok(first !== undefined);
  const twin = { ...first, manifest: manifestOf({ ...first.manifest.json, uuid: uuidOf(1).replace(/1$/, '2') }) };
  const twins = [...SAMPLE, twin];
  const { images, empty } = select([selectorOf('00000001 os=smartos')], twins, FACTS);
  assert.deepEqual(images, []);
  assert.match(formatNoMatch(empty[0]!), /2 uuids begin with 00000001: 00000001-1111-\S+ \(base-64\), 00000001-/);
});

test('says of a selector that selects nothing what each term matches and what is near', () => {
  assert.equal(
    whyEmpty('name=base64 os=smartos'),
    '"name=base64 os=smartos" selects no image of 7: name=base64 alone matches none, os=smartos 6; near it: name=base-64',
  );
  assert.equal(
    whyEmpty('os=linux name=base-64'),
    '"os=linux name=base-64" selects no image of 7: os=linux alone matches 1, name=base-64 3; without os=linux it would select 3 images; without name=base-64 it would select 1 image',
  );
  assert.equal(whyEmpty('name=gres'), '"name=gres" selects no image of 7; near it: name=postgres');
  assert.equal(whyEmpty('unlisted latest=1 name=base-64').includes('alone'), true);
  assert.equal(whyEmpty('channel=x latest=1').includes('alone'), false, 'of one term alone there is nothing to say');
  assert.match(whyEmpty('os=windows'), /; known: os=linux, os=smartos$/);
  assert.match(whyEmpty('published>2030'), /; they were published from 2012-01-01 to 2025-01-13$/);
  assert.match(whyEmpty('size<1KiB'), /; they are of 1GiB to 3GiB$/);
  assert.match(whyEmpty('tag.rloe=os'), /; no image has a tag "rloe"; the nearest tag is role$/);
  assert.match(whyEmpty('tag.role=so'), /; known: tag.role=db, tag.role=os$/);
  assert.match(whyEmpty(uuidOf(6).replace('4111', '4112')), /; the nearest uuid is 00000006-1111-4111-/);
  assert.match(whyEmpty('channel=rel'), /; near it: channel=release$/);
  assert.equal(
    formatNoMatch(select([selectorOf('latest=1')], [], FACTS).empty[0]!),
    '"latest=1" selects no image: none is known',
  );
});

test('each selector that selects nothing is reported, beside those that select', () => {
  const { images, empty } = selected('name=nope', 'name=base-64', 'os=nope');
  assert.equal(images.length, 3);
  assert.deepEqual(
    empty.map(({ selector }) => selector),
    ['name=nope', 'os=nope'],
  );
});

test('control characters of a manifest do not reach a terminal by a hint', () => {
  const evil = { ...SAMPLE[0]!, manifest: { ...SAMPLE[0]!.manifest, json: { name: 'base-\u001b[31mred' } } };
  const text = formatNoMatch(select([selectorOf('name=red')], [evil], FACTS).empty[0]!);
  assert.ok(text.includes(String.raw`base-\u001b[31mred`) && !text.includes('\u001b'), text);
});

test('an origin chain that bites its tail ends', () => {
  const chain = [1, 2].map((n) => ({
    manifest: manifestOf({ uuid: uuidOf(n), origin: uuidOf(3 - n) }),
    upstreams: ['main'],
  }));
  assert.equal(select([selectorOf('00000001 with-origins')], chain, FACTS).images.length, 2);
});

test('selects of a real catalog of 2014 what its own fields say', async (t) => {
  const elements = await loadSharedCatalog(t, 'datasets-at-2014-11-01.json');
  if (elements === undefined) return;
  const images = elements.flatMap((element) => {
    const parsed = parseManifest(element);
    return parsed.ok ? [{ manifest: parsed.manifest, upstreams: ['community'] }] : [];
  });
  const count = (text: string): number => select([selectorOf(text)], images, FACTS).images.length;
  assert.equal(count('latest=1'), new Set(images.map(({ manifest }) => manifest.json['name'])).size);
  for (const key of ['os', 'type', 'name', 'version']) {
    const values = images.map(({ manifest }) => String(manifest.json[key]));
    for (const value of new Set(values)) {
      assert.equal(count(`${key}="${value}"`), values.filter((one) => one === value).length, `${key}=${value}`);
    }
  }
  assert.equal(count('published=2014-10'), 12);
  const withOrigins = select([selectorOf('os=smartos with-origins')], images, FACTS);
  const known = new Set(images.map(({ manifest }) => manifest.uuid));
  assert.ok(withOrigins.missingOrigins.every((uuid) => !known.has(uuid)));
});
