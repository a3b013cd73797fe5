/** Savings, downloads, disk and upstreams: what an operator looks for first. `data-live` names what the module keeps up to date. */
import type { StatusResult } from '../operations/status.ts';
import { downloadSection } from './downloads.ts';
import { html, type Html } from './html.ts';
import type { PageOptions } from './layout.ts';
import { upstreamTable } from './upstream-table.ts';
import { ago, bytesText, counted, countText, percentText } from './wording.ts';

/** It has one line: all of it is in its title, and in the list below the header. */
export function stateOf({ condition: { kind, summary, troubles } }: StatusResult): Html {
  return html`<span class="state" id="state" role="status" data-swap data-condition
    ><span class="badge ${kind}" title="${troubles.join(', ')}">${summary}</span></span
  >`;
}

export function overview(status: StatusResult, options: PageOptions): Html {
  const { nowMs } = options;
  return html`<h1 class="quiet">Overview</h1>
    <div id="reasons" data-swap>${reasons(status)}</div>
    ${savings(status, nowMs)}
    <div class="columns">${downloadSection(status.downloads)} ${disk(status.storage, nowMs)}</div>
    ${upstreamTable(status, options)}`;
}

/** Why it cannot serve, or what is wrong while it can. */
function reasons({ readiness, condition: { troubles } }: StatusResult): Html {
  const all = [...readiness.reasons, ...(troubles.length > 0 ? [troubles.join(', ')] : [])];
  if (all.length === 0) return html``;
  return html`<ul class="${readiness.ready ? 'warnings' : 'reasons'}">
    ${all.map((reason) => html`<li>${reason}</li>`)}
  </ul>`;
}

function savings({ traffic, catalog, startedAt, storage }: StatusResult, nowMs: number): Html {
  const { hit, miss, join, pass } = traffic.files;
  const requests = hit + miss + join + pass;
  return html`<section aria-labelledby="h-savings">
    <h2 id="h-savings">Savings <small id="since" data-swap>since the start, ${ago(startedAt, nowMs)}</small></h2>
    <dl class="tiles">
      ${tile('Did not cross the WAN', 'saved', percentText(traffic.savedRatio), html`of the bytes sent to clients`)}
      ${tile('Sent to the LAN', 'lan', bytesText(traffic.lanBytes), html`<span data-live="requests">${countText(requests)}</span> file requests`)}
      ${tile('Pulled from the WAN', 'wan', bytesText(traffic.wanBytes), html`lists and manifests included`)}
      ${tile(
        'Served from here',
        'hit-ratio',
        percentText(requests === 0 ? null : (hit + join) / requests),
        html`<span data-live="files">${filesText(traffic.files)}</span>`,
      )}
      ${tile(
        'Images',
        'images',
        countText(catalog.images),
        html`<span data-live="stored"
            >${counted(storage.blobs, 'file')} stored, ${countText(storage.pinned)} pinned</span
          >${conflicts(catalog.conflicts)}`,
      )}
    </dl>
  </section>`;
}

function filesText({ hit, miss, join, pass }: StatusResult['traffic']['files']): string {
  return `${countText(hit)} hits, ${countText(join)} joined, ${countText(miss)} missed, ${countText(pass)} passed through`;
}

function conflicts(count: number): Html {
  return html`<span id="conflicts" data-swap
    >${count === 0 ? '' : html`, <a href="/_mirror/?selector=conflict#images">${counted(count, 'conflict')}</a>`}</span
  >`;
}

function tile(title: string, live: string, value: string, note: Html): Html {
  return html`<div class="tile">
    <dt>${title}</dt>
    <dd class="value" data-live="${live}">${value}</dd>
    <dd class="note">${note}</dd>
  </div> `;
}

function disk(storage: StatusResult['storage'], nowMs: number): Html {
  const { usedBytes, maxBytes, minFreeBytes, freeBytes } = storage;
  const rows: readonly (readonly [string, string, Html | string])[] = [
    ['Free on the disk', 'free', `${bytesText(freeBytes)}, of which ${bytesText(minFreeBytes)} are kept free`],
    ['Stored files', 'blob-bytes', bytesText(storage.blobBytes)],
    ['Reserved for downloads', 'reserved', bytesText(storage.reservedBytes)],
    ['Unfinished downloads', 'partial', bytesText(storage.partialBytes)],
    [
      'Quarantine',
      'quarantine',
      storage.quarantinedFiles > 0
        ? `${counted(storage.quarantinedFiles, 'file')}, ${bytesText(storage.quarantinedBytes)}`
        : 'empty',
    ],
    [
      'All read again',
      'scrubbed',
      html`<span id="scrubbed" data-swap>${ago(storage.scrubbedAt, nowMs, 'not yet')}</span>`,
    ],
  ];
  return html`<section aria-labelledby="h-disk">
    <h2 id="h-disk">Disk</h2>
    <p class="gauge">
      <label for="disk-used" data-live="disk">${diskText(usedBytes, maxBytes)}</label>
      <progress id="disk-used" max="${diskLimit(storage)}" value="${usedBytes >= 0 ? usedBytes : 0}"></progress>
    </p>
    <dl class="facts">
      ${rows.map(
        ([key, live, value]) =>
          html`<div>
            <dt>${key}</dt>
            <dd data-live="${live}">${value}</dd>
          </div> `,
      )}
    </dl>
  </section>`;
}

function diskText(usedBytes: number, maxBytes: number | null): string {
  return maxBytes === null
    ? `${bytesText(usedBytes)} used; the disk alone is the limit`
    : `${bytesText(usedBytes)} used of ${bytesText(maxBytes)}`;
}

/** What `usedBytes` can grow to; at least 1, as a bar needs. */
function diskLimit({ usedBytes, maxBytes, minFreeBytes, freeBytes }: StatusResult['storage']): number {
  const byDisk = usedBytes + Math.max(0, freeBytes - minFreeBytes);
  const limit = maxBytes === null ? byDisk : maxBytes;
  return limit >= 1 ? limit : 1;
}
