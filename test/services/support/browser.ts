/** Debian's Chromium with a page of the mirror in it, watched for what a page must not do. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** Where screenshots go, for a look; git ignores it. */
const SHOTS = fileURLToPath(new URL('../../../test-results/page/', import.meta.url));
/** Levels A and AA, and what axe's authors recommend beside them. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export interface WatchedPage {
  readonly page: Page;
  /** Fails if anything was asked of another origin, went wrong in a script or was complained of on the console. */
  readonly assertWellBehaved: () => void;
}

/**
 * What the mirror is called in the browser: as most operators call theirs, by a name and without TLS. Of 127.0.0.1 browsers think better, and are silent
 * on things they complain of elsewhere.
 */
const HOST = 'mirror.test';

/** Closed after the test. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...(isRoot ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-dev-shm-usage',
      `--host-resolver-rules=MAP ${HOST} 127.0.0.1`,
    ],
  });
  t.after(async () => browser.close());
  return browser;
}

export async function openPage(
  browser: Browser,
  mirrorUrl: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const baseURL = `http://${HOST}:${new URL(mirrorUrl).port}`;
  const context = await browser.newContext({ baseURL, viewport: { width: 1280, height: 900 }, ...options });
  return watchPage(await context.newPage(), baseURL);
}

function watchPage(page: Page, baseURL: string): WatchedPage {
  page.setDefaultTimeout(15_000);
  const faults: string[] = [];
  /** Documents that were meant to be answered with an error: the browser says so on the console. */
  const refused = new Set<string>();
  page.on('response', (response) => {
    if (response.request().isNavigationRequest() && response.status() >= 400) refused.add(response.url());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== baseURL) faults.push(`asked ${request.url()}`);
  });
  page.on('pageerror', (error) => faults.push(`threw ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !refused.has(message.location().url))
      faults.push(`console: ${message.text()}`);
  });
  return { page, assertWellBehaved: () => assert.deepEqual(faults, []) };
}

/** No violation of the rules of accessibility on the page as it is now. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  // Evaluated, not put into the page, whose policy would refuse it.
  await page.evaluate(axe.source);
  const found: unknown =
    await page.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(RULES)} }).then(({ violations }) =>
    violations.map(({ id, help, nodes }) => id + ': ' + help + ': ' + nodes.map(({ html, any, all, none }) =>
      html + ' ' + [...any, ...all, ...none].map(({ message }) => message).join('; ')).join('\\n')))`);
  assert.deepEqual(found, [], what);
}

/** The whole page as it is now, for a look. */
export async function screenshot(page: Page, name: string, isWhole = true): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: isWhole });
}
