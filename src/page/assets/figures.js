/**
 * Figures that move, from the events; names of places are those of src/page/overview.ts and downloads.ts. Text from elsewhere is only ever set as
 * text.
 */
import { byId, bytesText, counted, countText, howText, keyOf, make, percentText, plain, setText } from './words.js';

/** @param status as the events tell it; that of /_mirror/api/status has all its downloads, and needs no `running` */
export function showFigures(status) {
  showCondition(status.condition);
  showSavings(status);
  showDisk(status.storage);
  showDownloads(status.downloads, status.running ?? status.downloads.length);
  showFiles(status.downloads);
}

function setLive(name, text) {
  setText(document.querySelector(`[data-live="${name}"]`), text);
}

/** How the mirror is, in words of src/operations/condition.ts. */
function showCondition({ kind, summary, troubles }) {
  const badge = document.querySelector('#state[data-condition] .badge');
  if (badge === null) return;
  badge.className = `badge ${kind}`;
  badge.title = troubles.join(', ');
  setText(badge, summary);
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

/** @param running how many there are in all; of more than fit, `downloads` has the first ones at least */
function showDownloads(downloads, running) {
  const list = byId('downloads');
  if (list === null) return;
  const shown = downloads.slice(0, Number(list.dataset.most));
  setLive('running', countText(running));
  setLive('more', countText(running - shown.length));
  byId('more-downloads').hidden = running <= shown.length;
  byId('no-downloads').hidden = running > 0;
  list.hidden = running === 0;
  const wanted = new Set(shown.map(keyOf));
  for (const item of list.querySelectorAll('li')) if (!wanted.has(item.dataset.key)) item.remove();
  for (const key of before.keys()) if (!wanted.has(key)) before.delete(key);
  for (const [at, download] of shown.entries()) {
    const item = list.querySelector(`[data-key="${CSS.escape(keyOf(download))}"]`) ?? newDownload(download);
    // In the order of the server; one that stays where it is keeps the keyboard.
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
    const { size, received } = download;
    item.querySelector('progress').value = received;
    setText(item.querySelector('.how'), howText(download));
    setText(item.querySelector('.much'), `${bytesText(received)} of ${bytesText(size)}${speedOf(download)}`);
  }
}

function newDownload(download) {
  const { sha1, image, size } = download;
  const label = plain(`${image?.name ?? ''} ${image?.version ?? ''}`.trim() || (image?.uuid ?? sha1));
  const named = { class: 'what clamp', title: label };
  const bar = make('progress', { 'aria-label': label });
  bar.max = size;
  return make(
    'li',
    { 'data-key': keyOf(download) },
    image === null ? make('span', named, label) : make('a', { ...named, href: `/_mirror/images/${image.uuid}` }, label),
    make('span', { class: 'how' }),
    bar,
    make('span', { class: 'much' }),
  );
}

/** Where each download that is shown was some seconds ago, for its speed. */
const before = new Map();

function speedOf(download) {
  const { received, size } = download;
  const now = performance.now();
  const seen = (before.get(keyOf(download)) ?? []).filter(({ at }) => now - at < 5_000);
  seen.push({ at: now, received });
  before.set(keyOf(download), seen);
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
    const found = downloads.find(({ sha1, passedThrough }) => sha1 === cell.dataset.file && !passedThrough);
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
