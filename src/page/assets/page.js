/**
 * What the pages can do where scripts run: they keep themselves up to date, say so when they cannot, and change things for who has the
 * token. Everything on them is there without this, but for the changes. Text from elsewhere is only ever set as text.
 */
import { showPicked, startActions } from './actions.js';
import { readStatus } from './api.js';
import { showFigures } from './figures.js';
import { agoText, byId, keyOf, make, setText } from './words.js';

const EVENTS_URL = '/_mirror/api/events';
const HEALTH_URL = '/_mirror/health';
/** From the end of one look for changes in what the events do not tell (which images are cached, pinned, ...) to the next, ms. */
const FRESHEN_EVERY_MS = 2_000;
/** Where the mirror refuses the events, as too many listen: between two looks, ms, and how many of them before the events are asked for again. */
const POLL_EVERY_MS = 5_000;
const POLLS = 6;
/** Between two looks whether the mirror is there: a machine without power ends no connection. */
const LOOK_EVERY_MS = 15_000;
const ANSWER_WITHIN_MS = 5_000;
/** For a whole page, which itself waits for what is late. */
const PAGE_WITHIN_MS = 15_000;

// ---- what only the server can tell: parts of this very page, asked for again

let freshenedAt = -Infinity;
let freshenTimer;
/** What is under way. */
let freshening;
/** What has changed since that began. */
let isOutdated = false;
let isWantedSoon = false;

/** Soon, and no more often than every so often, however often it is called. */
function freshenSoon() {
  if (freshening !== undefined) {
    isWantedSoon = true;
    return;
  }
  const leftMs = freshenedAt + FRESHEN_EVERY_MS - performance.now();
  freshenTimer ??= setTimeout(() => void freshen(), Math.max(0, leftMs));
}

/** Now, one at a time: what is wanted while one is under way is asked for again when that has ended. Resolves when it is shown. */
function freshen() {
  clearTimeout(freshenTimer);
  freshenTimer = undefined;
  isOutdated = true;
  freshening ??= freshenAll();
  return freshening;
}

async function freshenAll() {
  while (isOutdated) {
    isOutdated = false;
    await freshenOnce();
  }
  freshening = undefined;
  freshenedAt = performance.now();
  if (isWantedSoon) freshenSoon();
  isWantedSoon = false;
}

async function freshenOnce() {
  try {
    const signal = AbortSignal.timeout(PAGE_WITHIN_MS);
    const answer = await fetch(location.href, { headers: { accept: 'text/html' }, signal });
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (isAway) return;
    setClock(next);
    unhide(next);
    for (const part of document.querySelectorAll('[data-swap]')) {
      const found = next.getElementById(part.id);
      if (found !== null && found.innerHTML !== part.innerHTML) part.replaceChildren(...found.childNodes);
    }
    tick();
    showPicked();
  } catch {
    // The mirror is away; the events say so.
  }
}

/** What only scripts can do, and what only who can have a token. */
function unhide(page) {
  const shown = byId('actions') === null ? '[data-script]' : '[data-script], [data-changes]';
  for (const element of page.querySelectorAll(shown)) element.hidden = false;
}

/** How far the clock of the mirror, by which all times are, is ahead of this machine's. */
let aheadMs = 0;

function setClock(page) {
  const nowMs = Date.parse(page.documentElement.dataset.now);
  if (Number.isFinite(nowMs)) aheadMs = nowMs - Date.now();
}

// ---- the page follows the mirror

let mark;

/**
 * Another version has pages and scripts of its own. It is not loaded by itself: of two behind one address that would never end, and what was
 * typed and ticked would be gone.
 */
function showVersion(version) {
  const line = byId('other-version');
  // Once said it stays: of two behind one address now one answers, now the other.
  if (version === document.documentElement.dataset.version || line.firstChild !== null) return;
  const reload = make('button', { type: 'button' }, 'Reload');
  reload.addEventListener('click', () => location.reload());
  line.replaceChildren('Another version of the mirror runs than this page is of. ', reload);
}

/** Figures move at once; what else has changed is asked for. */
function show(status) {
  const { version, startedAt, readiness, condition, upstreams, storage, catalog, downloads } = status;
  const { running = downloads.length } = status;
  showVersion(version);
  showFigures(status);
  const next = JSON.stringify([
    [version, startedAt, readiness, condition, catalog, storage.blobs, storage.pinned, storage.scrubbedAt],
    upstreams.map(({ up, held, problem, images, listConfirmedAt, breakers }) => [
      [up, held, problem, images, listConfirmedAt],
      [breakers.list, breakers.file],
    ]),
    [running, downloads.map(keyOf)],
  ]);
  // The progress of a file on its own page is not told where many others run.
  const isUntold = running > downloads.length && document.querySelector('[data-file] progress') !== null;
  if (isUntold || (mark !== undefined && mark !== next)) freshenSoon();
  mark = next;
}

let isAway = false;
let seenAt = new Date();

/** The page is as it was: it says so, and looks so. */
function showAway(kind, word, what) {
  isAway = true;
  document.body.classList.add('stale');
  setText(byId('live'), `${what}: this is how it was at ${seenAt.toLocaleTimeString()}.`);
  const state = byId('state');
  // The line says it to those who listen.
  state.setAttribute('aria-live', 'off');
  if (state.textContent.trim() !== word) state.replaceChildren(make('span', { class: `badge ${kind}` }, word));
}

function showBack() {
  seenAt = new Date();
  if (!isAway) return;
  isAway = false;
  document.body.classList.remove('stale');
  setText(byId('live'), '');
  byId('state').setAttribute('aria-live', 'polite');
  void freshen();
}

async function isAlive() {
  try {
    return (await fetch(HEALTH_URL, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })).ok;
  } catch {
    return false;
  }
}

async function look() {
  if (document.hidden) return;
  if (!(await isAlive())) showAway('bad', 'no answer', 'The mirror does not answer');
  else if (events?.readyState === EventSource.OPEN) showBack();
  else await askOnce();
}

/** Asks for what the events would have told. */
async function askOnce() {
  const status = await readStatus().catch(() => undefined);
  if (status !== undefined) {
    showBack();
    show(status);
  } else if (await isAlive()) showAway('warn', 'no news', 'The mirror answers and sends no news');
  else showAway('bad', 'no answer', 'The mirror does not answer');
}

let pollTimer;

/** In place of events that are refused, so many times. */
async function poll(times) {
  await askOnce();
  if (document.hidden || events !== undefined) return;
  clearTimeout(pollTimer);
  pollTimer = setTimeout(times > 1 ? () => void poll(times - 1) : listen, POLL_EVERY_MS);
}

let events;

/** Only while somebody looks: a browser has six connections for all tabs on the mirror, and one that listens keeps one of them. */
function listen() {
  clearTimeout(pollTimer);
  if (document.hidden) {
    events?.close();
    events = undefined;
    return;
  }
  if (events !== undefined) return;
  const source = new EventSource(EVENTS_URL);
  events = source;
  source.addEventListener('status', ({ data }) => {
    showBack();
    show(JSON.parse(data));
  });
  source.addEventListener('error', () => {
    if (events !== source) return;
    if (source.readyState !== EventSource.CLOSED) {
      void look();
      return;
    }
    events = undefined;
    void poll(POLLS);
  });
}

function tick() {
  const nowMs = Date.now() + aheadMs;
  for (const time of document.querySelectorAll('time[datetime]')) setText(time, agoText(time.dateTime, nowMs));
}

async function copy(button) {
  const line = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = 'Copied';
  } catch {
    // Not given over plain HTTP: the line is selected, so that a key does it.
    getSelection().selectAllChildren(line);
    button.textContent = 'Selected';
  }
  setTimeout(() => (button.textContent = 'Copy'), 2_000);
}

function startCopying() {
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.addEventListener('click', () => void copy(button));
  }
}

setClock(document);
unhide(document);
if (byId('actions') !== null) startActions(freshen);
startCopying();
document.addEventListener('visibilitychange', listen);
listen();
setInterval(tick, 1_000);
setInterval(() => void look(), LOOK_EVERY_MS);
