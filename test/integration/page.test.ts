/** The operator's pages as HTML: what they say, what they never let through, and what they cost. Browsers are in test/services. */
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
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
  const [url = ''] = urls;
  const types = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };
  const scripts = ['page.js', 'figures.js', 'actions.js', 'jobs.js', 'verbs.js', 'api.js', 'words.js'];
  const names = ['page.css', ...scripts, 'icon.svg'];
  // Each is named in the document: none is found only when another one has come.
  assert.deepEqual(urls.map((one) => one.split('/').at(-1) ?? '').toSorted(), names.toSorted());
  for (const name of scripts.slice(1)) assert.match(text, new RegExp(`rel="modulepreload" href="[^"]*/${name}"`));
  for (const name of names) {
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

/** What is said in the row of an image's facts with this title, as markup; undefined: there is none. */
function factOf({ text }: Answer, title: string): string | undefined {
  return new RegExp(`<dt>${title}</dt>\\s*<dd>(.*?)</dd>`, 's').exec(text)?.[1];
}

test('what a manifest says of its image is shown: lines as lines, a homepage as a link where it is one', async (t) => {
  const many = 'many words, '.repeat(170);
  const images = {
    full: makeImage({
      name: 'full',
      icon: true,
      tags: { role: 'os', deep: { a: 1 } },
      channels: ['release', 'dev'],
      extra: {
        description: 'one\r\ntwo\nthree \u0007',
        homepage: 'https://docs.example.com/?a=1&b="2"',
        requirements: { min_ram: 512 },
      },
    }),
    long: makeImage({ name: 'long', extra: { description: many, homepage: 'javascript:alert(1)' } }),
    odd: makeImage({
      name: 'odd',
      extra: { description: ['a'], homepage: { a: 1 }, tags: 'none', requirements: null, icon: 'yes' },
    }),
  };
  const ask = createAsk(await start(t, Object.values(images)));
  const full = await ask(`/_mirror/images/${images.full.uuid}`);
  assert.match(factOf(full, 'About') ?? '', />one\ntwo\nthree \\u0007</);
  assert.match(
    factOf(full, 'Homepage') ?? '',
    /^<a href="https:\/\/docs\.example\.com\/\?a=1&amp;b=%222%22" rel="noopener noreferrer"/,
  );
  assert.match(factOf(full, 'Tags') ?? '', /<li>role: os<\/li>\s*<li>deep: \{&quot;a&quot;:1\}<\/li>/);
  assert.match(factOf(full, 'Requirements') ?? '', /<li>min_ram: 512<\/li>/);
  assert.equal(factOf(full, 'Channels'), 'release, dev');
  assert.match(factOf(full, 'Owner') ?? '', /^[0-9a-f-]{36}$/);
  assert.match(full.text, new RegExp(`<img class="icon" src="/images/${images.full.uuid}/icon" alt=""`));
  assert.equal((await ask(`/images/${images.full.uuid}/icon`)).status, 200);

  const long = await ask(`/_mirror/images/${images.long.uuid}`);
  const about = factOf(long, 'About') ?? '';
  assert.match(about, /^<details>/);
  assert.ok(about.includes(many), 'all of it is there');
  assert.equal(factOf(long, 'Homepage'), 'javascript:alert(1)');
  assert.doesNotMatch(long.text, /<img|href="[^/#]/);

  const odd = await ask(`/_mirror/images/${images.odd.uuid}`);
  assert.equal(odd.status, 200);
  for (const title of ['About', 'Homepage', 'Tags', 'Requirements']) assert.equal(factOf(odd, title), undefined, title);
  assert.doesNotMatch(odd.text, /<img/);
});

test('an image shows what rests on it, and warns of an origin that nobody here knows', async (t) => {
  const nowhere = '31313131-0000-4000-8000-000000000000';
  const lost = makeImage({ name: 'lost', origin: nowhere });
  const onWeb = makeImage({ name: 'on-web', origin: web });
  const ask = createAsk(await start(t, [base, web, onWeb, lost]));
  const { text } = await ask(`/_mirror/images/${base.uuid}`);
  const rest = /<h2 id="h-children">.*?<\/section>/s.exec(text)?.[0] ?? '';
  assert.match(rest, /Rest on it <small>1 image<\/small>/);
  assert.ok(rest.includes(`href="/_mirror/images/${web.uuid}">web 10.0.0</a>`));
  assert.ok(!rest.includes(onWeb.uuid), 'only what rests on it itself');
  assert.doesNotMatch((await ask(`/_mirror/images/${onWeb.uuid}`)).text, /h-children/);
  const warned = await ask(`/_mirror/images/${lost.uuid}`);
  assert.match(warned.text, new RegExp(`>${nowhere}</a>\\s*<span class="badge warn">not known here</span>`));
});

test('an order that no column has alone is seen in the column that shows it, and every order in the form', async (t) => {
  const ask = createAsk(await start(t));
  for (const [sort, title, arrow, option] of [
    ['-conflict', 'State: conflict', '▼', 'Conflicts first'],
    ['pinned', 'State: pinned', '▲', 'Pinned first, turned round'],
    ['-cached', 'State', '▼', 'Cached first'],
    ['name', 'Name', '▲', 'Name'],
  ]) {
    const { text } = await ask(`/_mirror/?sort=${sort}`);
    const sorted = /<th scope="col"[^>]* aria-sort="[a-z]+"[^>]*>\s*<a [^>]*>([^<]*)<span[^>]*>([^<]*)</.exec(text);
    assert.deepEqual([sorted?.[1]?.trim(), sorted?.[2]?.trim()], [title, arrow]);
    assert.match(text, new RegExp(`<option value="${sort}"\\s+selected>${option}</option>`));
  }
});

test('an upstream whose list was held back is not down, and the page offers to take the list', async (t) => {
  const images = makeCatalog(10, { oddities: false });
  const upstream = await startImageServer({ images });
  t.after(async () => upstream.close());
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const sound = await ask('/_mirror/');
  assert.match(sound.text, />ready<.*>up<.*>lists ok<.*>files ok</s);
  assert.match(sound.text, /<dt>All read again<\/dt>\s*<dd[^>]*><span[^>]*>not yet</);
  assert.doesNotMatch(sound.text, /data-verb="take"|lists closed/);
  for (const { uuid } of images.slice(3)) upstream.images.remove(uuid);
  await mirror.app.catalog.refresh();
  const { text } = await ask('/_mirror/');
  assert.match(text, />ready, 1 list held back</);
  assert.match(text, /<span class="badge warn">list held back<\/span>/);
  assert.match(text, /its list shrank from 10 to 3: held back.*<button[^>]* data-verb="take"/s);
  assert.doesNotMatch(text, />down</);
  await mirror.app.catalog.refresh({ accept: true });
  assert.doesNotMatch((await ask('/_mirror/')).text, /held back/);
});

/** The badge beside the name: `good: ready`. */
function stateOf({ text }: Answer): string {
  const [, kind, words] = /id="state"[^>]*><span class="badge (\w+)"[^>]*>([^<]*)</.exec(text) ?? [];
  return `${kind}: ${words}`;
}

test('a mirror that lists well and can fetch nothing is not green', async (t) => {
  const images = makeCatalog(6, { oddities: false });
  const upstream = await startImageServer({
    images,
    behave: ({ route }) => (route === 'file' ? { status: 500 } : undefined),
  });
  t.after(async () => upstream.close());
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  assert.equal(stateOf(await ask('/_mirror/')), 'good: ready');
  for (const { uuid } of images) assert.equal((await ask(`/images/${uuid}/file`)).status, 503);
  for (const path of ['/_mirror/', `/_mirror/images/${images[0]?.uuid}`]) {
    assert.equal(stateOf(await ask(path)), 'warn: ready, files failing at 1 upstream', path);
  }
});

test('a mirror that serves while its disk cannot be written is ready and not green, and says what is wrong', async (t) => {
  const mirror = await start(t);
  const ask = createAsk(mirror);
  await mkdir(join(mirror.dir, '.probe'));
  const { text } = await until(async () => {
    const page = await ask('/_mirror/');
    return stateOf(page) === 'warn: ready, disk failing' ? page : undefined;
  });
  assert.match(text, /<ul class="warnings">\s*<li>[^<]*nothing can be written to the cache directory/);
  assert.equal((await ask('/_mirror/ready')).status, 200);
});

test('without an admin.token nobody is asked for one: the commands are named', async (t) => {
  const upstream = await startImageServer({ images: [base] });
  t.after(async () => upstream.close());
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url], adminToken: null }));
  for (const [path, commands] of [
    ['/_mirror/', ['prefetch SELECTOR', 'pin SELECTOR', 'unpin SELECTOR', 'evict SELECTOR --yes', 'refresh']],
    ['/_mirror/?selector=nmae=x', ['refresh']],
    [`/_mirror/images/${base.uuid}`, [`prefetch ${base.uuid}`, `evict ${base.uuid} --yes`, 'refresh']],
  ] as const) {
    const { text } = await ask(path);
    assert.match(text, /No <code>admin\.token<\/code> is configured/);
    for (const command of commands) assert.ok(text.includes(`<code>imgapi-mirror ${command}</code>`), command);
    assert.doesNotMatch(text, /id="token|data-verb=|Token for changes/, path);
  }
});

test('without an admin.token what is to be decided names the command that does it', async (t) => {
  const images = makeCatalog(10, { oddities: false });
  const upstream = await startImageServer({ images: [...images, base] });
  t.after(async () => upstream.close());
  const mirror = await startMirror(t, { upstreams: [upstream.url], adminToken: null });
  const ask = createAsk(mirror);
  for (const { uuid } of images) upstream.images.remove(uuid);
  await mirror.app.catalog.refresh();
  const { text } = await ask('/_mirror/');
  assert.match(text, /<div class="warning">.*held back.*<code>imgapi-mirror refresh --accept<\/code>/s);

  upstream.images.add(makeImage({ uuid: base.uuid, name: 'base', size: 60_000, contentSeed: 'another' }));
  await mirror.app.catalog.refresh({ accept: true });
  const conflict = (await ask(`/_mirror/images/${base.uuid}`)).text;
  assert.match(
    conflict,
    new RegExp(`aria-labelledby="h-conflict".*<code>imgapi-mirror accept ${base.uuid}</code>`, 's'),
  );
  assert.doesNotMatch(conflict, /data-verb=/);
});

test('the metrics are linked to where they are served', async (t) => {
  const upstream = await startImageServer({ images: [base] });
  t.after(async () => upstream.close());
  for (const enabled of [true, false]) {
    const ask = createAsk(await startMirror(t, { upstreams: [upstream.url], metrics: { enabled } }));
    assert.equal((await ask('/metrics')).status, enabled ? 200 : 404);
    for (const path of ['/_mirror/', `/_mirror/images/${base.uuid}`, '/_mirror/images/nothing']) {
      assert.equal((await ask(path)).text.includes('href="/metrics"'), enabled, path);
    }
  }
});

test('offline no upstream is called well or ill', async (t) => {
  const upstream = await startImageServer({ images: [base] });
  t.after(async () => upstream.close());
  const first = await startMirror(t, { upstreams: [upstream.url] });
  await createAsk(first)(`/images/${base.uuid}/file`);
  await first.close();
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url], dir: first.dir, offline: true }));
  const page = await ask('/_mirror/');
  assert.equal(stateOf(page), 'note: offline');
  const row = /<tbody id="upstreams".*?<\/tbody>/s.exec(page.text)?.[0] ?? '';
  assert.match(row, />up0 .*<span class="badge note">offline<\/span>.*none are sent/s);
  assert.doesNotMatch(row, /not asked yet|lists ok|files ok/);
});

test('of many downloads the first twenty are shown, and how many more there are; one that is passed through says so', async (t) => {
  const images = Array.from({ length: 23 }, (_, at) => makeImage({ name: `image-${at}`, size: 400_000 }));
  const large = makeImage({ name: 'large', size: 900_000 });
  const upstream = await startImageServer({ images: [...images, large], behaviour: { stallAfterBytes: 100_000 } });
  t.after(async () => upstream.close());
  const upstreams = [{ url: upstream.url, maxDownloads: 30, stallTimeout: 600_000 }];
  const gone = new AbortController();
  t.after(() => gone.abort());
  const mirror = await startMirror(t, { upstreams });
  const ask = createAsk(mirror);
  for (const { uuid } of images) {
    // What one that leaves says is nothing to the test.
    void fetch(`${mirror.url}/images/${uuid}/file`, { signal: gone.signal }).catch(() => {});
  }
  await until(async () => (await ask('/_mirror/')).text.includes('data-live="running">23<'));
  const { text } = await ask('/_mirror/');
  assert.equal([...text.matchAll(/<li data-key=/g)].length, 20);
  assert.match(text, /and <span data-live="more">3<\/span> more/);

  // Has no room for it.
  const small = await startMirror(t, { upstreams, cache: { maxBytes: 500_000 } });
  void fetch(`${small.url}/images/${large.uuid}/file`, { signal: gone.signal }).catch(() => {});
  const passed = await until(
    async () => /<li data-key.*?<\/li>/s.exec((await createAsk(small)('/_mirror/')).text)?.[0],
  );
  assert.match(passed, /<li data-key="[0-9a-f]{40}-passed">.*>1 follower, passed through</s);
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
  // Far longer than the page waits: what ends the wait is the page, not the upstream's deadline.
  const upstreams = [{ url: upstream.url, stallTimeout: 60_000 }];
  const ask = createAsk(await startMirror(t, { upstreams, waitForCatalog: false }));
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

test('of 5,000 images a page has as many bytes as of 60, asks for as many files, and asks no upstream', async (t) => {
  const few = await siteOf(t, 60);
  const many = await siteOf(t, 5_000);
  // What is only made once, such as the list of all.
  for (const site of [few, many]) await site.view('/_mirror/');
  for (const sort of ['-published', 'name', '-version', 'size', '-used', '-cached']) {
    const path = `/_mirror/?sort=${sort}&per=50&selector=name%3Dimage-*`;
    const [ofFew, ofMany] = [await few.view(path), await many.view(path)];
    assert.deepEqual([ofFew.rows, ofMany.rows], [50, 50], sort);
    assert.ok(ofMany.bytes < ofFew.bytes * 1.1, `${sort}: ${ofMany.bytes} bytes, ${ofFew.bytes} for the few`);
    // The upkeep may have a few of its own meanwhile.
    assert.ok(ofMany.fileCalls <= ofFew.fileCalls + 20, `${sort}: ${ofMany.fileCalls} calls, ${ofFew.fileCalls}`);
  }
  for (const site of [few, many]) assert.equal(site.upstreamRequests(), 0);
});

/** A mirror of so many images, of which ten are stored, and what a view of its pages takes: rows, bytes, calls of the file system. */
async function siteOf(t: TestContext, count: number) {
  const images = makeCatalog(count, { oddities: false });
  const upstream = await startImageServer({ images });
  t.after(async () => upstream.close());
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  for (const { uuid } of images.slice(-10)) await ask(`/images/${uuid}/file`);
  upstream.forget();
  return {
    async view(path: string) {
      let fileCalls = 0;
      const hook = createHook({
        init(_id, type) {
          if (type.startsWith('FSREQ') || type === 'FILEHANDLE') fileCalls += 1;
        },
      }).enable();
      const answer = await ask(path).finally(() => hook.disable());
      return { rows: rowsOf(answer).length, bytes: answer.bytes, fileCalls };
    },
    upstreamRequests: () => upstream.requests.length,
  };
}
