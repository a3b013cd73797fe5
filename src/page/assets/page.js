/**
 * What the pages can do where scripts run: they keep themselves up to date, say so when they cannot, and change things for who has the
 * token. Everything on them is there without this, but for the changes. Text from elsewhere is only ever set as text.
 */
import { showPicked, startActions } from './actions.js';
import { showFigures } from './figures.js';
import { agoText, byId, make, setText } from './words.js';

const EVENTS_URL = '/_mirror/api/events';
const HEALTH_URL = '/_mirror/health';
/** Between two looks for changes in what the events do not tell (which images are cached, pinned, ...), ms. */
const FRESHEN_EVERY_MS = 2_000;
/** Before the events are asked for again where the mirror has refused them, ms. */
const REOPEN_MS = 5_000;
/** Between two looks whether the mirror is there: a machine without power ends no connection. */
const LOOK_EVERY_MS = 15_000;
const ANSWER_WITHIN_MS = 5_000;

// ---- what only the server can tell: parts of this very page, asked for again

let freshenAt = 0;
let freshening;

/** Soon, and no more often than every so often, however often it is called. */
function freshenSoon() {
  freshening ??= setTimeout(
    () => {
      freshening = undefined;
      void freshen();
    },
    Math.max(0, freshenAt + FRESHEN_EVERY_MS - Date.now()),
  );
}

async function freshen() {
  freshenAt = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (isAway) return;
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

function unhide(page) {
  for (const element of page.querySelectorAll('[data-script]')) element.hidden = false;
}

// ---- the page follows the mirror

let mark;

/** Figures move at once; what else has changed is asked for. */
function show(status) {
  showFigures(status);
  const { readiness, offline, upstreams, storage, catalog, downloads } = status;
  const next = JSON.stringify([
    [readiness, offline, catalog, storage.blobs, storage.pinned, storage.scrubbedAt],
    upstreams.map(({ up, held, problem, images, listConfirmedAt, breakers }) => [
      [up, held, problem, images, listConfirmedAt],
      [breakers.list, breakers.file],
    ]),
    downloads.map(({ sha1 }) => sha1),
  ]);
  if (mark !== undefined && mark !== next) freshenSoon();
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
  if (state.textContent.trim() !== word) state.replaceChildren(make('span', { class: `badge ${kind}` }, word));
}

function showBack() {
  seenAt = new Date();
  if (!isAway) return;
  isAway = false;
  document.body.classList.remove('stale');
  setText(byId('live'), '');
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
  else showAway('warn', 'no news', 'The mirror answers and sends no news');
}

let events;

/** Only while somebody looks: a browser has six connections for all tabs on the mirror, and one that listens keeps one of them. */
function listen() {
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
    void look();
    if (source.readyState !== EventSource.CLOSED) return;
    events = undefined;
    setTimeout(listen, REOPEN_MS);
  });
}

function tick() {
  for (const time of document.querySelectorAll('time[datetime]')) setText(time, agoText(time.dateTime));
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

unhide(document);
if (byId('actions') !== null) startActions(freshen);
startCopying();
document.addEventListener('visibilitychange', listen);
listen();
setInterval(tick, 1_000);
setInterval(() => void look(), LOOK_EVERY_MS);
