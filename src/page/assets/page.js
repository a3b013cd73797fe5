/**
 * What the pages can do where scripts run: they keep themselves up to date, and change things for who has the token. Everything on them is
 * there without this, but for the changes. Text from elsewhere is only ever set as text.
 */
import { startActions } from './actions.js';
import { agoText, byId, bytesText, counted, countText, percentText, plain } from './words.js';

const EVENTS_URL = '/_mirror/api/events';
/** Between two looks for changes in what the events do not tell (which images are cached, pinned, ...), ms. */
const FRESHEN_EVERY_MS = 2_000;
/** Before the events are asked for again where the mirror has refused them, ms. */
const REOPEN_MS = 5_000;

// ---- the page follows the mirror

function setText(element, text) {
  if (element !== null && element.textContent !== text) element.textContent = text;
}

function setLive(name, text) {
  setText(document.querySelector(`[data-live="${name}"]`), text);
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function badge(kind, text) {
  return make('span', { class: `badge ${kind}` }, text);
}

/** Puts a badge in, unless it is there already: what has not changed is not to be read out again. */
function setBadge(holder, kind, text) {
  if (holder === null || holder.textContent.trim() === text) return;
  holder.replaceChildren(badge(kind, text));
}

function showState({ readiness, offline, upstreams }) {
  const down = upstreams.filter(({ up }) => up === false).length;
  const [kind, text] = !readiness.ready
    ? ['bad', 'not ready']
    : offline
      ? ['note', 'offline']
      : down > 0
        ? ['warn', `ready, ${counted(down, 'upstream')} down`]
        : ['good', 'ready'];
  setBadge(byId('state'), kind, text);
  const reasons = byId('reasons');
  if (reasons === null) return;
  const shown = [...reasons.children].map(({ textContent }) => textContent.trim());
  const wanted = readiness.reasons.map(plain);
  if (shown.join('\n') !== wanted.join('\n'))
    reasons.replaceChildren(...wanted.map((reason) => make('li', {}, reason)));
}

function showSavings({ traffic, catalog, storage }) {
  const { hit, miss, join, pass } = traffic.files;
  const requests = hit + miss + join + pass;
  setLive('saved', percentText(traffic.savedRatio ?? NaN));
  setLive('lan', bytesText(traffic.lanBytes));
  setLive('wan', bytesText(traffic.wanBytes));
  setLive('requests', countText(requests));
  setLive('hit-ratio', percentText((hit + join) / requests));
  setLive(
    'files',
    `${countText(hit)} hits, ${countText(join)} joined, ${countText(miss)} missed, ${countText(pass)} passed through`,
  );
  setLive('images', countText(catalog.images));
  setLive('stored', `${counted(storage.blobs, 'file')} stored, ${countText(storage.pinned)} pinned`);
}

function showDisk(storage) {
  const used = storage.usedBytes ?? NaN;
  const byDisk = used + Math.max(0, storage.freeBytes - storage.minFreeBytes);
  const bar = byId('disk-used');
  if (bar === null) return;
  bar.max = Math.max(1, storage.maxBytes ?? (Number.isFinite(byDisk) ? byDisk : 1));
  bar.value = Number.isFinite(used) ? used : 0;
  setLive(
    'disk',
    storage.maxBytes === null
      ? `${bytesText(used)} used; the disk alone is the limit`
      : `${bytesText(used)} used of ${bytesText(storage.maxBytes)}`,
  );
  const free = bytesText(storage.freeBytes ?? NaN);
  setLive('free', `${free}, of which ${bytesText(storage.minFreeBytes)} are kept free`);
  setLive('blob-bytes', bytesText(storage.blobBytes));
  setLive('reserved', bytesText(storage.reservedBytes));
  setLive('partial', bytesText(storage.partialBytes ?? NaN));
  setLive(
    'quarantine',
    storage.quarantinedFiles > 0
      ? `${counted(storage.quarantinedFiles, 'file')}, ${bytesText(storage.quarantinedBytes)}`
      : 'empty',
  );
}

const BREAKER_KINDS = { closed: 'good', open: 'bad' };

function showUpstreams(upstreams) {
  for (const { name, up, images, problem, breakers, listConfirmedAt } of upstreams) {
    const row = document.querySelector(`[data-upstream="${CSS.escape(plain(name))}"]`);
    if (row === null) continue;
    const cell = (which) => row.querySelector(`[data-cell="${which}"]`);
    if (up === null) setBadge(cell('up'), 'note', 'not asked yet');
    else setBadge(cell('up'), up ? 'good' : 'bad', up ? 'up' : 'down');
    setText(cell('problem'), plain(problem ?? ''));
    setText(cell('images'), countText(images));
    const words = [
      ['lists', breakers.list],
      ['files', breakers.file],
    ];
    const text = words.map(([what, state]) => `${what} ${state}`).join(' ');
    const holder = cell('breakers');
    if (holder.textContent.trim().replaceAll(/\s+/g, ' ') !== text) {
      holder.replaceChildren(
        ...words.flatMap(([what, state]) => [badge(BREAKER_KINDS[state] ?? 'warn', `${what} ${state}`), ' ']),
      );
    }
    if (listConfirmedAt !== null) {
      const time = cell('confirmed').querySelector('time') ?? make('time');
      time.dateTime = listConfirmedAt;
      time.title = listConfirmedAt;
      if (!time.isConnected) cell('confirmed').replaceChildren(time);
    }
  }
}

function showDownloads(downloads) {
  setLive('running', countText(downloads.length));
  const list = byId('downloads');
  if (list === null) return;
  byId('no-downloads').hidden = downloads.length > 0;
  const wanted = new Set(downloads.map(({ sha1 }) => sha1));
  for (const item of list.querySelectorAll('li')) if (!wanted.has(item.dataset.sha1)) item.remove();
  for (const download of downloads) {
    const item = list.querySelector(`[data-sha1="${CSS.escape(download.sha1)}"]`) ?? newDownload(list, download);
    const { size, received, followers, priority } = download;
    item.querySelector('progress').value = received;
    const how = followers === 0 && priority === 'prefetch' ? 'prefetch' : counted(followers, 'client');
    setText(item.querySelector('.how'), how);
    setText(item.querySelector('.much'), `${bytesText(received)} of ${bytesText(size)}${speedOf(download)}`);
  }
}

function newDownload(list, { sha1, image, size }) {
  const label = plain(`${image?.name ?? ''} ${image?.version ?? ''}`.trim() || (image?.uuid ?? sha1));
  const link = image === null ? label : make('a', { href: `/_mirror/images/${image.uuid}` }, label);
  const bar = make('progress', { 'aria-label': label });
  bar.max = size;
  const item = make(
    'li',
    { 'data-sha1': sha1 },
    make('span', { class: 'what' }, link),
    make('span', { class: 'how' }),
    bar,
    make('span', { class: 'much' }),
  );
  list.append(item);
  return item;
}

/** Where each download was some seconds ago, for its speed. */
const before = new Map();

function speedOf({ sha1, received, size }) {
  const now = performance.now();
  const seen = (before.get(sha1) ?? []).filter(({ at }) => now - at < 5_000);
  seen.push({ at: now, received });
  before.set(sha1, seen);
  if (before.size > 1_000) before.clear();
  const [first] = seen;
  if (now - first.at < 900) return '';
  const perSecond = ((received - first.received) * 1000) / (now - first.at);
  if (perSecond <= 0) return ', waiting';
  const left = (size - received) / perSecond;
  return `, ${bytesText(perSecond)}/s, ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} left`;
}

/** On an image's own page: how much of its files is there. */
function showFiles(downloads) {
  for (const cell of document.querySelectorAll('[data-file]')) {
    const found = downloads.find(({ sha1 }) => sha1 === cell.dataset.file);
    if (found === undefined) continue;
    let bar = cell.querySelector('progress');
    if (bar === null) {
      bar = make('progress', { 'aria-label': 'Being fetched' });
      bar.max = found.size;
      cell.replaceChildren(bar);
    }
    bar.value = found.received;
  }
}

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
    if (!answer.ok) return;
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of document.querySelectorAll('[data-swap]')) {
      const found = next.getElementById(part.id);
      if (found !== null && found.innerHTML !== part.innerHTML) part.replaceChildren(...found.childNodes);
    }
  } catch {
    // The mirror is away; the events say so.
  }
}

let mark;

function show(status) {
  showState(status);
  showSavings(status);
  showDisk(status.storage);
  showUpstreams(status.upstreams);
  showDownloads(status.downloads);
  showFiles(status.downloads);
  const { storage, catalog, downloads } = status;
  const next = JSON.stringify([storage.blobs, storage.pinned, catalog, downloads.map(({ sha1 }) => sha1)]);
  if (mark !== undefined && mark !== next) freshenSoon();
  mark = next;
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
    setText(byId('live'), '');
    show(JSON.parse(data));
  });
  source.addEventListener('error', () => {
    setText(byId('live'), 'The mirror does not answer: this is how it was');
    if (source.readyState !== EventSource.CLOSED || events !== source) return;
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

for (const element of document.querySelectorAll('[data-script]')) element.hidden = false;
if (byId('actions') !== null) startActions(freshen);
startCopying();
document.addEventListener('visibilitychange', listen);
listen();
setInterval(tick, 1_000);
