/** The operator's pages as HTML: what they say, what they never let through, and what they cost. Browsers are in test/services. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { createAsk, type Answer } from './ask.ts';

const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>\u001b[31m\u202e`;

const base = makeImage({ name: 'base', version: '1.0.0', size: 50_000, publishedAt: '2026-01-01T00:00:00Z' });
const web = makeImage({
  name: 'web',
  version: '10.0.0',
  size: 70_000,
  origin: base,
  publishedAt: '2026-01-02T00:00:00Z',
});
const hostile = makeImage({
  name: HOSTILE,
  version: HOSTILE,
  os: HOSTILE,
  type: HOSTILE,
  publishedAt: '2026-01-03T00:00:00Z',
  tags: { [HOSTILE]: HOSTILE },
  extra: { description: HOSTILE, [HOSTILE]: HOSTILE },
});

async function start(t: TestContext, images: readonly TestImage[] = [base, web, hostile]): Promise<TestMirror> {
  const upstream = await startImageServer({ images });
  t.after(async () => upstream.close());
  return startMirror(t, { upstreams: [upstream.url] });
}

/** The names in the table, in its order. */
function rowsOf({ text }: Answer): string[] {
  const body = /<table class="images">.*?<tbody>(.*?)<\/tbody>/s.exec(text)?.[1] ?? '';
  return Array.from(body.matchAll(/<th scope="row">.*?<a [^>]*>([^<]*)<\/a>/gs), ([, name]) => name ?? '');
}

/** Its tags, without what is said in them. */
function tagsOf({ text }: Answer): string[] {
  return Array.from(text.matchAll(/<(\/?[a-z][a-z0-9]*)/gi), ([, tag]) => tag ?? '');
}

test('pages may load nothing from elsewhere, run nothing inline and be put in no frame', async (t) => {
  const ask = createAsk(await start(t));
  for (const path of [
    '/_mirror/',
    `/_mirror/images/${web.uuid}`,
    '/_mirror/images/nothing',
    '/_mirror/?selector=nmae=x',
  ]) {
    const { headers, text } = await ask(path);
    const policy = String(headers['content-security-policy']);
    for (const rule of ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]) {
      assert.ok(policy.split('; ').includes(rule), `${path}: ${rule}`);
    }
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['set-cookie'], undefined);
    assert.doesNotMatch(text, / style="| on[a-z]+="|<style|javascript:/);
    for (const [, url] of text.matchAll(/(?:src|href|action)="([^"]*)"/g)) assert.match(url ?? '', /^[/#]/, path);
  }
});

test('the files of a page are kept for good, and another version of them is another file', async (t) => {
  const ask = createAsk(await start(t));
  const { text } = await ask('/_mirror/');
  const urls = Array.from(text.matchAll(/(?:src|href)="(\/_mirror\/assets\/[^"]*)"/g), ([, url]) => url ?? '');
  assert.deepEqual(new Set(urls.map((url) => url.split('/').at(-1))), new Set(['icon.svg', 'page.css', 'page.js']));
  const [url = ''] = urls;
  const types = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };
  for (const name of ['page.css', 'page.js', 'actions.js', 'words.js', 'icon.svg']) {
    const { status, headers } = await ask(url.replace(/[^/]+$/, name));
    assert.equal(status, 200, name);
    assert.equal(headers['content-type'], Object.entries(types).find(([end]) => name.endsWith(end))?.[1]);
    assert.equal(headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    const again = await ask(url, { headers: { 'if-none-match': String(headers['etag']) } });
    assert.deepEqual([again.status, again.bytes], [304, 0]);
  }
  assert.equal((await ask(url.replace(/[0-9a-f]{16}/, '0123456789abcdef'))).status, 404);
  assert.equal((await ask(url.replace(/[^/]+$/, '..%2fpage.ts'))).status, 404);
  const packed = await ask(url.replace(/[^/]+$/, 'page.css'), { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
});

test('whatever a manifest says is text: the tags are those of a harmless image', async (t) => {
  const harmless = makeImage({
    uuid: hostile.uuid,
    name: 'x',
    version: 'x',
    os: 'x',
    type: 'x',
    tags: { x: 'x' },
    extra: { description: 'x', x: 'x' },
    publishedAt: '2026-01-03T00:00:00Z',
  });
  const [bad, good] = [await start(t), await start(t, [base, web, harmless])].map(createAsk);
  for (const path of ['/_mirror/', `/_mirror/images/${hostile.uuid}`]) {
    const [shown, expected] = [await bad?.(path), await good?.(path)];
    assert.ok(shown !== undefined && expected !== undefined);
    assert.equal(shown.status, 200);
    assert.deepEqual(tagsOf(shown), tagsOf(expected), path);
    assert.doesNotMatch(shown.text.replaceAll('\n', ''), /[\p{Cc}\p{Bidi_Control}]/u, path);
    assert.match(shown.text, /&quot;&gt;&lt;script&gt;alert\(1\)/);
  }
});

test('a query is text too, in the form as in the links', async (t) => {
  const ask = createAsk(await start(t));
  const query = new URLSearchParams({ selector: HOSTILE, sort: HOSTILE, page: HOSTILE, per: HOSTILE });
  const { status, text } = await ask(`/_mirror/?${String(query)}`);
  assert.equal(status, 422);
  assert.doesNotMatch(text, /<script>|<img|[^\P{Cc}\n]/u);
  assert.match(text, /value="&quot;&gt;&lt;script&gt;/);
});

test('a selector chooses, a wrong one is answered 422 with what may have been meant, one that fits nothing says what comes near', async (t) => {
  const ask = createAsk(await start(t));
  assert.deepEqual(rowsOf(await ask('/_mirror/?selector=name%3Dweb')), ['web']);
  const wrong = await ask('/_mirror/?selector=nmae%3Dweb');
  assert.equal(wrong.status, 422);
  assert.match(wrong.text, /did you mean name=web\?/);
  assert.match(wrong.text, /value="nmae=web"/);
  assert.match(wrong.text, /Running downloads/);
  const nothing = await ask('/_mirror/?selector=name%3Dwep');
  assert.equal(nothing.status, 200);
  assert.match(nothing.text, /near it: name=web/);
  assert.match(nothing.text, /No image\./);
});

test('links sort and turn pages; the newest come first', async (t) => {
  const images = makeCatalog(60, { oddities: false });
  const ask = createAsk(await start(t, images));
  const newest = rowsOf(await ask('/_mirror/?per=25'));
  assert.equal(newest.length, 25);
  assert.equal(newest[0], 'image-59');
  const byName = await ask('/_mirror/?per=25&sort=name&page=3');
  assert.deepEqual(
    rowsOf(byName),
    Array.from({ length: 10 }, (_, at) => `image-${50 + at}`),
  );
  assert.match(byName.text, /51 to 60 of 60 images/);
  assert.match(byName.text, /<th scope="col"[^>]* aria-sort="ascending"[^>]*>\s*<a [^>]*>Name/);
  assert.match(byName.text, /href="\/_mirror\/\?sort=name&amp;per=25&amp;page=2#images"\s+rel="prev"/);
  const beyond = await ask('/_mirror/?page=99');
  assert.deepEqual([beyond.status, rowsOf(beyond)], [200, []]);
});

test('an image has a page: how it stands, what it rests on, the line to import it, its manifest', async (t) => {
  const mirror = await start(t);
  const ask = createAsk(mirror);
  const before = await ask(`/_mirror/images/${web.uuid}`);
  assert.match(before.text, /up0/);
  assert.match(before.text, /not stored/);
  await ask(`/images/${web.uuid}/file`);
  const { status, text } = await ask(`/_mirror/images/${web.uuid.toUpperCase()}`);
  assert.equal(status, 200);
  assert.match(text, new RegExp(`imgadm import ${web.uuid}<`));
  assert.match(text, new RegExp(`href="/_mirror/images/${base.uuid}">base 1.0.0</a>`));
  assert.match(text, /this mirror’s disk/);
  assert.match(text, /&quot;name&quot;: &quot;web&quot;/);
  for (const unknown of ['00000000-0000-4000-8000-000000000000', 'no-uuid', '%3Cscript%3E']) {
    const absent = await ask(`/_mirror/images/${unknown}`);
    assert.equal(absent.status, 404, unknown);
    assert.match(absent.text, /No such image/);
  }
});

test('the page is there while no upstream is, and says why', async (t) => {
  const upstream = await startImageServer({ images: [base] });
  await upstream.close();
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const { status, text } = await ask('/_mirror/');
  assert.equal(status, 200);
  assert.match(text, /not ready/);
  assert.match(text, /no list of images has come yet, and nothing is kept from before; upstream up0: /);
});

test('an upstream that hangs at the start holds up the table, and no longer than a moment, not the page', async (t) => {
  await using upstream = await startImageServer({ images: [base], behaviour: { hangHeaders: true } });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url], waitForCatalog: false }));
  const { status, text } = await ask('/_mirror/');
  assert.equal(status, 200);
  assert.match(text, /The images are not known yet/);
  assert.match(text, /Running downloads/);
});

test('the path without its slash leads to it; other methods are 405', async (t) => {
  const ask = createAsk(await start(t));
  const moved = await ask('/_mirror');
  assert.deepEqual([moved.status, moved.headers['location']], [308, '/_mirror/']);
  for (const path of ['/_mirror/', `/_mirror/images/${web.uuid}`]) {
    const refused = await ask(path, { method: 'POST' });
    assert.deepEqual([refused.status, refused.headers['allow']], [405, 'GET, HEAD'], path);
    assert.equal((await ask(path, { method: 'HEAD' })).status, 200);
  }
});

test('5,000 images are as good as five: a page of them, sorted by whatever, comes soon', async (t) => {
  const mirror = await start(t, makeCatalog(5_000));
  const ask = createAsk(mirror);
  await ask('/_mirror/');
  const times: string[] = [];
  for (const sort of ['-published', 'name', '-version', 'size', '-used', '-cached']) {
    const answer = await ask(`/_mirror/?sort=${sort}&per=100&page=3`);
    assert.equal(rowsOf(answer).length, 100);
    times.push(`${sort} ${String(answer.headers['x-response-time'])} ms`);
  }
  t.diagnostic(times.join(', '));
});
