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

/** Whether the middle of it can be seen without scrolling, with nothing before it. */
async function isInView(page: Page, selector: string): Promise<boolean> {
  return page.evaluate<boolean>(`(() => {
    const element = document.querySelector(${JSON.stringify(selector)});
    const { left, top, width, height } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  })()`);
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
  assert.equal(await page.locator('#downloads .how').innerText(), '1 follower');
  await screenshot(page, 'downloading');

  await client;
  await page.locator('#no-downloads').waitFor();
  await page.locator(`#state-${site.slow.uuid} .badge`, { hasText: 'cached' }).waitFor();
  assert.notEqual(await page.locator('[data-live="lan"]').innerText(), savedBefore);
  assert.equal(await page.evaluate('globalThis.wasNotReloaded'), true);
  assertWellBehaved();

  await site.mirror.close();
  await page.getByRole('status').filter({ hasText: 'The mirror does not answer: this is how it was at' }).waitFor();
  assert.equal(await page.locator('#state').innerText(), 'no answer');
  const isGrey = `getComputedStyle(document.querySelector('main')).filter === 'grayscale(1)'`;
  assert.equal(await page.evaluate(isGrey), true);
  await assertAccessible(page, 'without an answer');
  await screenshot(page, 'no-answer', false);
  await page.setViewportSize(PHONE);
  await page.evaluate('scrollTo(0, 900)');
  assert.ok(await isInView(page, '#state'), 'that nobody answers is in view on a phone too');
  await screenshot(page, 'no-answer-phone', false);
});

test('a mirror that has become silent is noticed without an end of the connection, and shown as it is when it is back', async (t) => {
  if (!need(t)) return;
  const site = await startPageSite(t);
  const { page } = await openPage(await openBrowser(t), site.mirror.url);
  const state = page.locator('#state');
  await page.clock.install();
  await page.goto('/_mirror/');
  const before = await state.innerText();
  await page.route('**/_mirror/health', async (route) => route.abort());
  await page.clock.fastForward(20_000);
  await state.filter({ hasText: 'no answer' }).waitFor();
  await page.unroute('**/_mirror/health');
  await page.clock.fastForward(20_000);
  await state.filter({ hasText: before }).waitFor();
  assert.equal(await page.locator('body.stale').count(), 0);
  assert.equal(await page.locator('#live').innerText(), '');

  for (const path of ['events', 'status']) {
    await page.route(`**/_mirror/api/${path}`, async (route) => route.fulfill({ status: 503 }));
  }
  await page.reload();
  await state.filter({ hasText: 'no news' }).waitFor();
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

  await page.getByRole('button', { name: 'Unpin' }).click();
  await said.filter({ hasText: 'Unpinned: base-64-lts' }).waitFor();

  await page.goto(`/_mirror/images/${slow.uuid}`);
  await page.getByRole('button', { name: 'Prefetch' }).click();
  const dialog = page.getByRole('dialog', { name: 'Prefetch 1 image?' });
  await dialog.getByText('1 image, 1 file, 7.6 MiB to fetch').waitFor();
  await assertAccessible(page, 'with a question');
  await screenshot(page, 'question', false);
  await dialog.getByRole('button', { name: 'Prefetch' }).click();
  await page.getByRole('progressbar', { name: 'Prefetch', exact: true }).waitFor();
  await said.filter({ hasText: 'Fetched: ubuntu-24.04 20260501' }).waitFor();
  await page.locator('#image-state', { hasText: 'cached' }).waitFor();

  await page.getByRole('button', { name: 'Evict' }).click();
  await page.getByRole('dialog', { name: 'Evict 1 image?' }).getByText('Frees 7.6 MiB.').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Evict' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Evict' }).click();
  await said.filter({ hasText: 'Evicted: ubuntu-24.04 20260501' }).waitFor();
  await page.locator('#image-state', { hasText: 'cached' }).waitFor({ state: 'detached' });

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

test('what would change many images asks first, how many; a conflict is accepted where one is seen', async (t) => {
  if (!need(t)) return;
  const { mirror, web, disputed } = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), mirror.url);
  const said = page.locator('#said');
  const accept = page.getByRole('button', { name: 'Accept' });
  await page.goto('/_mirror/?selector=cached');
  await giveToken(page, ADMIN_TOKEN);
  await page.getByLabel('With').selectOption({ label: 'all that the selector selects (3 images)' });
  await page.getByRole('button', { name: 'Pin', exact: true }).click();
  await said.filter({ hasText: 'Pinned: ' }).waitFor();
  assert.equal(await accept.isVisible(), false);
  await page.getByRole('button', { name: 'Unpin' }).click();
  await page.getByRole('dialog', { name: 'Unpin 3 images?' }).getByRole('button', { name: 'Cancel' }).click();
  assert.match(await page.locator(`#state-${web.uuid}`).innerText(), /pinned/);
  await page.getByRole('button', { name: 'Unpin' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unpin' }).click();
  await said.filter({ hasText: 'Unpinned: ' }).waitFor();
  await page.locator(`#state-${web.uuid}`).getByText('pinned').waitFor({ state: 'detached' });

  await page.getByLabel('With').selectOption('picked');
  await page.getByRole('checkbox', { name: 'web-frontend' }).check();
  assert.equal(await accept.isVisible(), false);
  await page.getByRole('checkbox', { name: 'minimal-64' }).check();
  await accept.click();
  const dialog = page.getByRole('dialog', { name: 'Accept 1 image?' });
  await dialog.getByText(`${disputed.uuid}: from`).waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();

  await page.goto(`/_mirror/images/${disputed.uuid}`);
  await page
    .getByRole('region', { name: /^Conflict/ })
    .getByRole('button', { name: 'Accept' })
    .click();
  await page.getByRole('dialog').getByRole('button', { name: 'Accept' }).click();
  await said.filter({ hasText: `${disputed.uuid}: from` }).waitFor();
  await page.locator('#image-state', { hasText: 'conflict' }).waitFor({ state: 'detached' });
  assert.equal(await accept.count(), 0);
  assertWellBehaved();
});

test('a running prefetch can be stopped, is not left by mistake, and keeps nothing else from being done', async (t) => {
  if (!need(t)) return;
  const { mirror, slow } = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), mirror.url);
  await page.goto(`/_mirror/images/${slow.uuid}`);
  await giveToken(page, ADMIN_TOKEN);
  await page.getByRole('button', { name: 'Prefetch' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Prefetch' }).click();
  const stop = page.getByRole('button', { name: 'Stop: Prefetch' });
  await stop.waitFor();
  await page.locator('#jobs').filter({ hasText: 'MiB of 7.6 MiB' }).waitFor();
  await assertAccessible(page, 'while something is done');
  await screenshot(page, 'prefetching', false);
  const overview = await page.context().newPage();
  await overview.goto('/_mirror/');
  assert.equal(await overview.locator('#downloads .how').innerText(), 'prefetch');
  await overview.close();
  assert.match(await (await fetch(`${mirror.url}/_mirror/`)).text(), /class="how">prefetch</);
  await page.getByRole('button', { name: 'Pin', exact: true }).click();
  await page.locator('#said').filter({ hasText: 'Pinned: ubuntu-24.04' }).waitFor();

  const asked: string[] = [];
  page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    void dialog.dismiss();
  });
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.waitForTimeout(300);
  assert.deepEqual(asked, ['beforeunload']);
  await stop.click();
  await page.locator('#said').filter({ hasText: 'Prefetch: stopped. What has been fetched stays' }).waitFor();
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.locator('#no-downloads').waitFor();
  assert.equal(asked.length, 1);
  assertWellBehaved();
});

test('a list that was held back is a warning, and is taken when the operator says so', async (t) => {
  if (!need(t)) return;
  const { mirror } = await startPageSite(t);
  const { page, assertWellBehaved } = await openPage(await openBrowser(t), mirror.url);
  await page.goto('/_mirror/');
  const labs = page.getByRole('row', { name: /^labs/ });
  await labs.getByText('list held back').waitFor();
  assert.doesNotMatch(await labs.innerText(), /\bdown\b/);
  assert.equal(await page.locator('#state').innerText(), 'ready, 1 upstream down, 1 conflict, and 1 more');
  const take = page.locator('#held').getByRole('button', { name: 'Take the list as it is' });
  await page.goto('/_mirror/?selector=nmae%3Dx');
  await take.click();
  await page.locator('#said').filter({ hasText: 'Changes need the token' }).waitFor();
  assert.equal(await page.evaluate('document.activeElement.id'), 'token');
  assert.equal(await page.getByRole('button', { name: 'Prefetch' }).count(), 0);
  await giveToken(page, ADMIN_TOKEN);
  await page.getByRole('button', { name: 'Refresh lists' }).click();
  await page
    .locator('#said.warning')
    .filter({ hasText: 'labs: its list is empty where it had 12: held back' })
    .waitFor();
  await page.locator('#after').getByRole('button', { name: 'Take the list as it is' }).click();
  const dialog = page.getByRole('dialog', { name: 'Take the list as it is?' });
  await dialog.getByText('labs: its list is empty where it had 12').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await take.click();
  await dialog.getByRole('button', { name: 'Take' }).click();
  await page.locator('#said').filter({ hasText: '126 images listed' }).waitFor();
  await labs.getByText('up', { exact: true }).waitFor();
  assert.equal(await page.locator('#held').innerText(), '');
  assertWellBehaved();
});

test('a wrong token is said to be wrong where it is seen, and forgotten', async (t) => {
  if (!need(t)) return;
  const { mirror } = await startPageSite(t);
  const { page } = await openPage(await openBrowser(t), mirror.url, { viewport: PHONE });
  await page.goto('/_mirror/');
  const said = page.locator('#said');
  await giveToken(page, `${ADMIN_TOKEN}\u200b`);
  await said.filter({ hasText: 'That is no token' }).waitFor();
  assert.equal(await page.evaluate('sessionStorage.length'), 0);
  await giveToken(page, 'wrong');
  await page.getByRole('checkbox', { name: 'base-64-lts' }).check();
  const pin = page.getByRole('button', { name: 'Pin', exact: true });
  await page.evaluate('scrollTo(0, document.body.scrollHeight - 2 * innerHeight)');
  assert.ok(await isInView(page, '[data-verb="pin"]'), 'what can be done with ticked rows is in view');
  await pin.click();
  await said.filter({ hasText: 'the token is wrong' }).waitFor();
  assert.ok(await isInView(page, '#said'), 'what is wrong is in view');
  assert.ok(await isInView(page, '#token'), 'where it is put right is in view');
  assert.equal(await page.evaluate('sessionStorage.length'), 0);
  await page.getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await said.innerText(), '');
});

/** Of what can be pointed at, all that is less than 24 px wide or high; what is off the page has no size. */
const TOO_SMALL = `[...document.querySelectorAll('a, button, input, select, summary')]
  .map((element) => [element.getBoundingClientRect(), element.outerHTML])
  .filter(([{ right, width, height }]) => right > 0 && width > 0 && (width < 24 || height < 24))
  .map(([{ width, height }, text]) => width + ' x ' + height + ': ' + text)`;

test('no page breaks a rule of accessibility, dark or light, wide or narrow, and none scrolls sideways', async (t) => {
  if (!need(t)) return;
  const { mirror, web, slow, hostile, disputed, talkative } = await startPageSite(t);
  const browser = await openBrowser(t);
  const pages = {
    overview: '/_mirror/',
    conflicts: '/_mirror/?sort=-conflict&per=25',
    wrong: '/_mirror/?selector=nmae%3Dbase',
    nothing: '/_mirror/?selector=name%3Dbase',
    image: `/_mirror/images/${web.uuid}`,
    hostile: `/_mirror/images/${hostile.uuid}`,
    conflict: `/_mirror/images/${disputed.uuid}`,
    talkative: `/_mirror/images/${talkative.uuid}`,
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
        const isCut = `[...document.querySelectorAll('.scroll')].some((box) => box.scrollWidth > box.clientWidth)`;
        assert.equal(await page.evaluate(isCut), false, `${what}: a table is cut off`);
        if (viewport === PHONE) {
          assert.deepEqual(await page.evaluate(TOO_SMALL), [], `${what}: too small for a finger`);
        }
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
  assert.match(await page.locator('#image-count').innerText(), /1 to 50 of 138 images/);
  await page.getByRole('link', { name: 'Next' }).click();
  assert.match(await page.locator('#image-count').innerText(), /51 to 100 of/);
  await page.getByLabel('Selector').fill('name=base-64* cached');
  await page.getByLabel('Selector').press('Enter');
  assert.equal(await page.locator('#image-count').innerText(), '1 image');
  await page.getByRole('link', { name: 'all', exact: true }).click();
  await page.getByRole('columnheader', { name: 'Size' }).getByRole('link').click();
  assert.equal(await page.locator('th[aria-sort="descending"]').innerText(), 'Size ▼');
  assert.match(await page.locator('table.images tbody tr').first().innerText(), /ubuntu-24\.04/);
  await page.getByLabel('Order', { exact: true }).selectOption('Conflicts first');
  await page.getByRole('button', { name: 'Show' }).click();
  assert.equal(await page.locator('th[aria-sort="descending"]').innerText(), 'State: conflict ▼');
  assert.match(await page.locator('table.images tbody tr').first().innerText(), /minimal-64/);
  await page.getByRole('link', { name: 'cached', exact: true }).click();
  await page.getByRole('link', { name: 'base-64-lts' }).click();
  assert.equal(await page.locator('#import-line').innerText(), `imgadm import ${base.uuid}`);
  assertWellBehaved();
});
