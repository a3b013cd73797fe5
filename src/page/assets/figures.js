/** Figures that move, from the events; names of places are those of src/page/overview.ts. Text from elsewhere is only ever set as text. */
import { byId, bytesText, counted, countText, make, percentText, plain, setText } from './words.js';

/** @param status as /_mirror/api/status */
export function showFigures(status) {
  showSavings(status);
  showDisk(status.storage);
  showDownloads(status.downloads);
  showFiles(status.downloads);
}

function setLive(name, text) {
  setText(document.querySelector(`[data-live="${name}"]`), text);
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
    setText(item.querySelector('.how'), priority === 'prefetch' ? 'prefetch' : counted(followers, 'follower'));
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
    make('span', { class: 'what clamp', title: label }, link),
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
