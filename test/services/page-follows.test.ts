/** The operator's pages in a real browser while things go wrong or change: they say what is so, by the mirror's clock, and stay small. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { startImageServer, type Behaviour, type ImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type MirrorOptions, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertAccessible, openBrowser, openPage, screenshot, type WatchedPage } from './support/browser.ts';
import { hasNeeds } from './support/need.ts';

const TOOLS = { tools: { chromium: 'chromium' } };

interface Site extends WatchedPage {
  readonly upstream: ImageServer;
  readonly images: readonly TestImage[];
  readonly mirror: TestMirror;
  /** Of the mirror. */
  readonly options: MirrorOptions;
}

async function start(t: TestContext, more: Partial<MirrorOptions> = {}, behaviour: Behaviour = {}): Promise<Site> {
  const images = Array.from({ length: 40 }, (_, at) => makeImage({ name: `image-${at}`, size: 400_000 }));
  const upstream = await startImageServer({ images, behaviour });
  t.after(async () => upstream.close());
  const upstreams = [{ url: upstream.url, maxDownloads: images.length, stallTimeout: 600_000 }];
  const options = { upstreams, ...more };
  const mirror = await startMirror(t, options);
  return { ...(await openPage(await openBrowser(t), mirror.url)), upstream, images, mirror, options };
}

/** Asks for files that stall. What becomes of the answers when the test ends is nothing to it. */
async function beginDownloads(t: TestContext, { mirror, images }: Site, count: number): Promise<void> {
  const gone = new AbortController();
  t.after(() => gone.abort());
  for (const { uuid } of images.slice(0, count)) {
    void fetch(`${mirror.url}/images/${uuid}/file`, { signal: gone.signal }).catch(() => {});
  }
  await until(async () => (await mirror.metric('imgapi_mirror_downloads_running')) === count);
}

async function markPage(page: Page): Promise<void> {
  await page.evaluate('globalThis.wasNotReloaded = true');
}

async function wasReloaded(page: Page): Promise<boolean> {
  return page.evaluate<boolean>('globalThis.wasNotReloaded === undefined');
}

test('the badge stops being green as soon as files fail, and why is in it', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const { page, upstream, images, mirror } = await start(t);
  await page.goto('/_mirror/');
  await markPage(page);
  await page.locator('#state .badge.good', { hasText: /^ready$/ }).waitFor();
  // The events alone tell it, before the page has been asked for again.
  await page.route('**/_mirror/', async (route) => route.abort());
  upstream.behave = ({ route }) => (route === 'file' ? { status: 500 } : undefined);
  for (const { uuid } of images.slice(0, 6)) {
    assert.equal((await fetch(`${mirror.url}/images/${uuid}/file`)).status, 503);
  }
  await page.locator('#state .badge.warn', { hasText: 'ready, files failing at 1 upstream' }).waitFor();
  assert.equal(await page.locator('#state .good').count(), 0);
  assert.equal(await wasReloaded(page), false);
});

test('after a restart the page is about the new process, and of another version it says so, and is loaded again by who wants it', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const { page, mirror, options } = await start(t);
  await page.clock.install();
  await page.goto('/_mirror/');
  await markPage(page);
  const since = page.locator('#since time');
  const before = await since.getAttribute('datetime');
  await mirror.close();
  await page.locator('#state', { hasText: 'no answer' }).waitFor();
  const again = await startMirror(t, { ...options, dir: mirror.dir, port: mirror.port });
  const status: { readonly startedAt?: string } = JSON.parse(
    await (await fetch(`${again.url}/_mirror/api/status`)).text(),
  );
  const { startedAt } = status;
  assert.notEqual(startedAt, before);
  await page.locator(`#since time[datetime="${startedAt}"]`).waitFor({ state: 'attached' });
  await page.locator('#state .badge.good', { hasText: /^ready$/ }).waitFor();
  assert.equal(await wasReloaded(page), false);

  const body = `event: status\ndata: ${JSON.stringify({ ...status, version: '9.9.9' })}\n\n`;
  let told = 0;
  await page.route('**/_mirror/api/events', async (route) => {
    told += 1;
    await route.fulfill({ contentType: 'text/event-stream', body });
  });
  await page.clock.fastForward(20_000);
  // The connection that is there is the real mirror's: the page comes back to the events as if it had been away.
  await page.evaluate(`for (const isHidden of [true, false]) {
    Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }`);
  const reload = page.locator('#other-version').getByRole('button', { name: 'Reload' });
  await reload.waitFor();
  const toldBefore = told;
  await until(() => told >= toldBefore + 2);
  assert.equal(await wasReloaded(page), false);
  await reload.click();
  await until(async () => wasReloaded(page));
  await markPage(page);
  assert.equal(await wasReloaded(page), false);
});

test('times are by the clock of the mirror, whatever the browser believes', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const site = await start(t);
  for (const hours of [3, -3]) {
    const { page, assertWellBehaved } = await openPage(await openBrowser(t), site.mirror.url);
    await page.clock.install({ time: Date.now() + hours * 3_600_000 });
    await page.goto('/_mirror/');
    // What the server wrote is taken away, so that what is seen is the module's.
    await page.evaluate(`document.querySelector('#upstreams time').textContent = 'wiped'`);
    const confirmed = page.locator('#upstreams time', { hasNotText: 'wiped' });
    await confirmed.waitFor();
    assert.match(await confirmed.innerText(), /^(just now|\d+ s ago|1 min ago)$/, `${hours} h ahead`);
    assertWellBehaved();
    await page.context().close();
  }
});

test('where the events are refused the page is kept up to date all the same, and listens again when it may', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const site = await start(t, {}, { stallAfterBytes: 100_000 });
  const { page, mirror } = site;
  const others = new AbortController();
  t.after(() => others.abort());
  for (let listeners = 0; listeners < 32; listeners++) {
    const answer = await fetch(`${mirror.url}/_mirror/api/events`, { signal: others.signal });
    assert.equal(answer.status, 200);
  }
  await page.clock.install();
  const refused = page.waitForResponse((answer) => answer.url().endsWith('/events') && answer.status() === 503);
  await page.goto('/_mirror/');
  await refused;
  await beginDownloads(t, site, 1);
  await page.clock.fastForward(6_000);
  await page.locator('#downloads li').waitFor();
  assert.equal(await page.locator('body.stale').count(), 0);
  assert.equal(await page.locator('#state .badge.good').innerText(), 'ready');

  others.abort();
  const listens = page.waitForResponse((answer) => answer.url().endsWith('/events') && answer.status() === 200);
  let isListening = false;
  void listens.then(() => (isListening = true));
  await until(async () => {
    await page.clock.fastForward(6_000);
    return isListening;
  });
});

test('of many downloads a few are shown, in a box that keys scroll, and what comes after them is not far', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const site = await start(t, {}, { stallAfterBytes: 100_000 });
  const { page, assertWellBehaved } = site;
  await page.setViewportSize({ width: 375, height: 812 });
  await page.goto('/_mirror/');
  await beginDownloads(t, site, 30);
  const box = page.getByRole('region', { name: 'List of running downloads' });
  await page.locator('#more-downloads', { hasText: 'and 10 more' }).waitFor();
  assert.equal(await page.locator('#downloads li').count(), 20);
  const heading = await page.locator('#h-upstreams').boundingBox();
  assert.ok(heading !== null && heading.y < 2_000, `the upstreams are ${heading?.y} px down`);
  await box.focus();
  await page.keyboard.press('End');
  await until(async () => page.evaluate<boolean>(`document.querySelector('#downloads').parentElement.scrollTop > 0`));
  await assertAccessible(page, 'with many downloads');
  await screenshot(page, 'many-downloads');
  assertWellBehaved();
});

test('however many downloads are told, those that are shown keep their speed', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const { page, mirror, assertWellBehaved } = await start(t);
  const status: object = JSON.parse(await (await fetch(`${mirror.url}/_mirror/api/status`)).text());
  let received = 0;
  const next = (): string => {
    received += 100_000;
    const downloads = Array.from({ length: 1_200 }, (_, at) => ({
      sha1: at.toString(16).padStart(40, '0'),
      image: null,
      size: 1e9,
      received,
      followers: 1,
      priority: 'demand',
      passedThrough: at === 1,
    }));
    return JSON.stringify({ ...status, downloads });
  };
  await page.route('**/_mirror/api/events', async (route) =>
    route.fulfill({
      contentType: 'text/event-stream',
      body: `retry: 500\nevent: status\ndata: ${next()}\n\n`,
    }),
  );
  // Asked for where the events break off, as these do.
  await page.route('**/_mirror/api/status', async (route) =>
    route.fulfill({ contentType: 'application/json', body: next() }),
  );
  await page.goto('/_mirror/');
  const rows = page.locator('#downloads li');
  await rows.filter({ hasText: /left$/ }).nth(19).waitFor();
  assert.equal(await rows.count(), 20);
  assert.match(await rows.nth(1).innerText(), /1 follower, passed through/);
  assert.equal(await page.locator('#more-downloads').innerText(), 'and 1,180 more');
  assertWellBehaved();
});

test('a first visit asks once for each file, and for none only after another has come', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const { page, assertWellBehaved } = await start(t);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname.split('/').at(-1) ?? ''));
  // The first one comes only when all others have been asked for: one that it would have to name first never would be.
  const scripts = ['actions.js', 'api.js', 'figures.js', 'jobs.js', 'page.js', 'verbs.js', 'words.js'];
  await page.route('**/page.js', async (route) => {
    await until(() => scripts.every((name) => asked.includes(name)));
    await route.continue();
  });
  await page.goto('/_mirror/');
  await page.locator('#token-form').waitFor();
  await until(() => asked.includes('events'));
  const files = asked.filter((name) => /\.(?:js|css)$/.test(name));
  assert.deepEqual(files.toSorted(), [...scripts, 'page.css'].toSorted());
  assertWellBehaved();
});

test('without an admin.token nothing on a page asks for one, and nothing can be ticked', async (t) => {
  if (!hasNeeds(t, TOOLS)) return;
  const { page, images, assertWellBehaved } = await start(t, { adminToken: null });
  for (const path of ['/_mirror/', `/_mirror/images/${images[0]?.uuid}`]) {
    await page.goto(path);
    await page.getByText('No admin.token is configured').waitFor();
    assert.equal(await page.getByRole('checkbox').count(), 0);
    assert.equal(await page.getByLabel('Token for changes').count(), 0);
    await assertAccessible(page, 'without a token');
    await screenshot(page, path === '/_mirror/' ? 'no-token' : 'no-token-image');
  }
  // A script that has run shows what needs it.
  await page.getByRole('button', { name: 'Copy' }).waitFor();
  assertWellBehaved();
});
