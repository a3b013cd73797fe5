/** The operator's pages in a real browser: they move, they change what they may, everybody can use them, and they load nothing from elsewhere. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { ADMIN_TOKEN } from '../support/mirror.ts';
import { assertAccessible, openBrowser, openPage, screenshot } from './support/browser.ts';
import { hasNeeds } from './support/need.ts';
import { startPageSite } from './support/page-site.ts';

const TOOLS = { tools: { chromium: 'chromium' } };
const PHONE = { width: 375, height: 812 };

function need(t: TestContext): boolean {
  return hasNeeds(t, TOOLS);
}

async function giveToken(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token for changes').fill(token);
  await page.getByRole('button', { name: 'Use it' }).click();
}

/** In place of the window manager, which a browser without a window has not. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'))`);
}

test('a running download is seen to move, and what it changes is shown, without a reload', async (t) => {
  if (!need(t)) return;
  const site = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), site.mirror.url);
  await page.goto('/_mirror/');
  assert.match(await page.locator('#no-downloads').innerText(), /Nothing is being fetched/);
  const savedBefore = await page.locator('[data-live="lan"]').innerText();
  await page.evaluate('globalThis.wasNotReloaded = true');

  const client = fetch(`${site.mirror.url}/images/${site.slow.uuid}/file`).then(async (answer) => answer.arrayBuffer());
  const bar = page.getByRole('progressbar', { name: 'ubuntu-24.04 20260501' });
  await bar.waitFor();
  const values = new Set<number>();
  while (values.size < 4) {
    values.add(Number(await bar.getAttribute('value')));
    await page.waitForTimeout(100);
  }
  assert.deepEqual(
    [...values],
    [...values].toSorted((a, b) => a - b),
    'it only ever grows',
  );
  assert.match(await page.locator('#downloads .much').innerText(), /MiB of 7\.6 MiB/);
  await page.locator('#downloads .much', { hasText: 'left' }).waitFor();
  await screenshot(page, 'downloading');

  await client;
  await page.locator('#no-downloads').waitFor();
  await page.locator(`#state-${site.slow.uuid} .badge`, { hasText: 'cached' }).waitFor();
  assert.notEqual(await page.locator('[data-live="lan"]').innerText(), savedBefore);
  assert.equal(await page.evaluate('globalThis.wasNotReloaded'), true);
  assertWellBehaved();

  await site.mirror.close();
  await page.getByRole('status').filter({ hasText: 'The mirror does not answer' }).waitFor();
});

test('with the token images are pinned, fetched and evicted, and without it nothing is', async (t) => {
  if (!need(t)) return;
  const { mirror, slow, base } = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), mirror.url);
  await page.goto('/_mirror/?selector=name%3Dbase-64-lts');
  const said = page.locator('#said');
  const state = page.locator(`#state-${base.uuid}`);

  await giveToken(page, ADMIN_TOKEN);
  await page.getByRole('button', { name: 'Pin', exact: true }).click();
  await said.filter({ hasText: 'Tick the images' }).waitFor();
  await page.getByRole('checkbox', { name: 'base-64-lts 23.4.0' }).check();
  await page.getByRole('button', { name: 'Pin', exact: true }).click();
  await said.filter({ hasText: 'Pinned: base-64-lts 23.4.0' }).waitFor();
  await state.filter({ hasText: 'pinned' }).waitFor();

  await page.getByLabel('With').selectOption('selector');
  await page.getByRole('button', { name: 'Unpin' }).click();
  await said.filter({ hasText: 'Unpinned: base-64-lts' }).waitFor();

  await page.goto(`/_mirror/images/${slow.uuid}`);
  await page.getByRole('button', { name: 'Prefetch' }).click();
  const dialog = page.getByRole('dialog', { name: 'Prefetch?' });
  await dialog.getByText('1 image, 1 file, 7.6 MiB to fetch').waitFor();
  await assertAccessible(page, 'with a question');
  await screenshot(page, 'question', false);
  await dialog.getByRole('button', { name: 'Prefetch' }).click();
  await page.getByRole('progressbar', { name: 'Progress of what was asked for' }).waitFor();
  await said.filter({ hasText: 'Fetched: ubuntu-24.04 20260501' }).waitFor();
  await page.locator('#image-state', { hasText: 'cached' }).waitFor();

  await page.getByRole('button', { name: 'Evict' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Evict' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Evict' }).click();
  await said.filter({ hasText: 'Evicted: ubuntu-24.04 20260501' }).waitFor();
  await page.locator('#image-state', { hasText: 'cached' }).waitFor({ state: 'detached' });

  await page.getByRole('button', { name: 'Refresh lists' }).click();
  await said.filter({ hasText: 'images listed' }).waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  assert.ok(!page.url().includes(ADMIN_TOKEN));
  assertWellBehaved();
});

test('any number of tabs can be open, and the one that is looked at moves', async (t) => {
  if (!need(t)) return;
  const site = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), site.mirror.url);
  await page.goto('/_mirror/');
  const others: Page[] = [];
  // One more than the six connections that a browser has for a server, without which an eighth page would wait for ever.
  for (let tabs = 1; tabs <= 8; tabs++) {
    await setHidden(others.at(-1) ?? page, true);
    const other = await page.context().newPage();
    other.setDefaultTimeout(15_000);
    await other.goto(`/_mirror/images/${site.base.uuid}`);
    others.push(other);
  }
  await setHidden(others.at(-1)!, true);
  await setHidden(page, false);
  const client = fetch(`${site.mirror.url}/images/${site.slow.uuid}/file`).then(async (answer) => answer.arrayBuffer());
  await page.getByRole('progressbar', { name: 'ubuntu-24.04 20260501' }).waitFor();
  await page.locator('#downloads .much', { hasText: 'left' }).waitFor();
  await client;
  assertWellBehaved();
});

test('a wrong token is said to be wrong and forgotten; errors of the mirror are shown', async (t) => {
  if (!need(t)) return;
  const { mirror, base, disputed } = await startPageSite(t);
  const { page } = await openPage(await openBrowser(t), mirror.url);
  await page.goto(`/_mirror/images/${base.uuid}`);
  const said = page.locator('#said');
  await giveToken(page, `${ADMIN_TOKEN}\u200b`);
  await said.filter({ hasText: 'That is no token' }).waitFor();
  assert.equal(await page.evaluate('sessionStorage.length'), 0);
  await giveToken(page, 'wrong');
  await page.getByRole('button', { name: 'Pin', exact: true }).click();
  await said.filter({ hasText: 'the token is wrong' }).waitFor();
  assert.equal(await page.evaluate('sessionStorage.length'), 0);
  await giveToken(page, ADMIN_TOKEN);
  await page.getByRole('button', { name: 'Accept' }).click();
  await said.filter({ hasText: 'no upstream contradicts' }).waitFor();

  await page.goto(`/_mirror/images/${disputed.uuid}`);
  await page.getByRole('heading', { name: /^Conflict/ }).waitFor();
  await page.getByRole('button', { name: 'Accept' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Accept' }).click();
  await said.filter({ hasText: `${disputed.uuid}: from` }).waitFor();
  await page.locator('#image-state', { hasText: 'conflict' }).waitFor({ state: 'detached' });
});

test('no page breaks a rule of accessibility, dark or light, wide or narrow, and none scrolls sideways', async (t) => {
  if (!need(t)) return;
  const { mirror, web, slow, hostile, disputed } = await startPageSite(t);
  const browser = await openBrowser(t);
  const pages = {
    overview: '/_mirror/',
    wrong: '/_mirror/?selector=nmae%3Dbase',
    nothing: '/_mirror/?selector=name%3Dbase',
    image: `/_mirror/images/${web.uuid}`,
    hostile: `/_mirror/images/${hostile.uuid}`,
    conflict: `/_mirror/images/${disputed.uuid}`,
    absent: '/_mirror/images/00000000-0000-4000-8000-000000000000',
  };
  // So that one runs while the first pages are looked at.
  const client = new AbortController();
  await fetch(`${mirror.url}/images/${slow.uuid}/file`, { signal: client.signal });
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [width, viewport] of Object.entries({ wide: { width: 1280, height: 900 }, phone: PHONE })) {
      const { page, assertWellBehaved } = await openPage(browser, mirror.url, { colorScheme, viewport });
      let isFirst = true;
      for (const [name, path] of Object.entries(pages)) {
        const what = `${name}-${colorScheme}-${width}`;
        await page.goto(path);
        if (isFirst) await giveToken(page, ADMIN_TOKEN);
        isFirst = false;
        await assertAccessible(page, what);
        const sideways = await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        );
        assert.equal(sideways, 0, `${what} scrolls sideways`);
        await screenshot(page, what);
        assert.doesNotMatch(await page.title(), /^owned$/);
      }
      assertWellBehaved();
      await page.context().close();
    }
  }
  client.abort();

  const { page } = await openPage(browser, mirror.url);
  await page.goto('/_mirror/');
  await page.evaluate(`document.querySelector('label[for=per]').remove()`);
  await assert.rejects(assertAccessible(page, 'the rules are looked at'), /accessible name/);
});

test('without scripts everything is there but the changes', async (t) => {
  if (!need(t)) return;
  const { mirror, base } = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), mirror.url, { javaScriptEnabled: false });
  await page.goto('/_mirror/');
  assert.equal(await page.getByLabel('Token for changes').isVisible(), false);
  assert.match(await page.locator('#image-count').innerText(), /1 to 50 of 12\d images/);
  await page.getByRole('link', { name: 'Next' }).click();
  assert.match(await page.locator('#image-count').innerText(), /51 to 100 of/);
  await page.getByLabel('Selector').fill('name=base-64* cached');
  await page.getByLabel('Selector').press('Enter');
  assert.equal(await page.locator('#image-count').innerText(), '1 image');
  await page.getByRole('link', { name: 'all', exact: true }).click();
  await page.getByRole('columnheader', { name: 'Size' }).getByRole('link').click();
  assert.equal(await page.locator('th[aria-sort="descending"]').innerText(), 'Size ▼');
  assert.match(await page.locator('table.images tbody tr').first().innerText(), /ubuntu-24\.04/);
  await page.getByRole('link', { name: 'base-64-lts' }).click();
  assert.equal(await page.locator('#import-line').innerText(), `imgadm import ${base.uuid}`);
  assertWellBehaved();
});
