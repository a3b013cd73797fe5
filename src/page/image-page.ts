/** The page of one image. */
import { upstreamState, type UpstreamState } from '../operations/condition.ts';
import type { StatusResult, UpstreamStatus } from '../operations/status.ts';
import type { ShownFile, ShownImage } from '../operations/show.ts';
import { acceptButton, actionsBar } from './actions.ts';
import { html, linesHtml, type Html } from './html.ts';
import { facts, icon } from './image-facts.ts';
import { stateBadges } from './image-table.ts';
import { badge, type PageOptions } from './layout.ts';
import { ago, bytesText, counted, countText } from './wording.ts';

/** Of images that rest on one. */
const MAX_CHILDREN = 50;

export function imagePage(image: ShownImage, status: StatusResult, options: PageOptions): Html {
  const { uuid, name, version } = image;
  const { nowMs, hasToken } = options;
  return html`<nav aria-label="Where this is" class="trail">
      <a href="/_mirror/#images">Images</a> › <span class="clamp" title="${name}">${name}</span>
    </nav>
    <h1>
      ${icon(image)} ${name} <span class="version">${version}</span>
      <span id="image-state" data-swap>${stateBadges(image)}</span>
    </h1>
    <p class="uuid"><code>${uuid}</code></p>
    <div id="conflict" data-swap>${conflict(image, options)}</div>
    ${actionsBar({ kind: 'image', uuid }, hasToken)}
    <div class="columns">
      <section aria-labelledby="h-facts">
        <h2 id="h-facts">Facts</h2>
        ${facts(image, nowMs)}
      </section>
      <section aria-labelledby="h-import">
        <h2 id="h-import">On a host that uses this mirror</h2>
        <p class="copy">
          <code id="import-line">imgadm import ${uuid}</code>
          <button type="button" data-copy="import-line" data-script hidden>Copy</button>
        </p>
        <p class="help">A host begins to use it with <a href="/_mirror/setup.sh">setup.sh</a>.</p>
        <h3>Where it would come from</h3>
        ${sources(image, status)}
      </section>
    </div>
    <section aria-labelledby="h-files">
      <h2 id="h-files">Files</h2>
      ${files(image.files, nowMs)}
    </section>
    <section aria-labelledby="h-origins">
      <h2 id="h-origins">Origins <small>what it rests on, the nearest first</small></h2>
      ${origins(image)}
    </section>
    ${children(image)}
    <section aria-labelledby="h-manifest">
      <h2 id="h-manifest">Manifest</h2>
      <pre class="manifest" role="region" aria-label="Text of the manifest" tabindex="0">
${linesHtml(JSON.stringify(image.manifest, null, 2))}</pre>
    </section>`;
}

/** In the order of asking: the disk first, then the upstreams that list the same file, with the sick ones marked. */
function sources({ cached, upstreams }: ShownImage, { upstreams: all, offline }: StatusResult): Html {
  const known = upstreams.map((name) => {
    const found = all.find((upstream) => upstream.name === name);
    if (found === undefined) return html`<li>${name}</li>`;
    const state = upstreamState(found, offline);
    return html`<li>
      ${name}
      <span class="address">${found.url}</span> ${sourceBadge(state, found.breakers.file)}
    </li>`;
  });
  return html`<ol class="sources" id="sources" data-swap>
    ${cached ? html`<li>this mirror’s disk ${badge('good', 'cached')}</li>` : ''}${known}
  </ol>`;
}

function sourceBadge(state: UpstreamState, breaker: UpstreamStatus['breakers']['file']): Html | string {
  if (state === 'offline') return badge('note', 'offline');
  if (state === 'down' || breaker === 'open') return badge('warn', 'failing: asked after the others');
  return breaker === 'half-open' ? badge('note', 'next request tries it') : '';
}

function files(all: readonly ShownFile[], nowMs: number): Html {
  if (all.length === 0) return html`<p class="empty">It has none.</p>`;
  return html`<div class="scroll" role="region" aria-label="Table of files" tabindex="0">
    <table class="files folds">
      <thead>
        <tr>
          <th scope="col">SHA-1</th>
          <th scope="col" class="number">Size</th>
          <th scope="col">State</th>
          <th scope="col">Last used</th>
        </tr>
      </thead>
      <tbody>
        ${all.map((file) => fileRow(file, nowMs))}
      </tbody>
    </table>
  </div>`;
}

function fileRow({ sha1, size, stored, received, lastUsedAt }: ShownFile, nowMs: number): Html {
  const running = html`<progress max="${size}" value="${received ?? 0}" aria-label="Being fetched"></progress>`;
  const state = stored ? badge('good', 'stored') : received === null ? badge('note', 'not stored') : running;
  return html`<tr>
    <th scope="row"><code>${sha1}</code></th>
    <td data-label="Size" class="number">${bytesText(size)}</td>
    <td data-label="State"><span class="file-state" id="file-${sha1}" data-swap data-file="${sha1}">${state}</span></td>
    <td data-label="Last used"><span id="used-${sha1}" data-swap>${ago(lastUsedAt, nowMs)}</span></td>
  </tr> `;
}

function origins({ origins: chain }: ShownImage): Html {
  if (chain.length === 0) return html`<p class="empty">It rests on no other image.</p>`;
  return html`<ol class="origins">
    ${chain.map(
      ({ uuid, name, version, known, cached }) =>
        html`<li>
          <a href="/_mirror/images/${uuid}">${known ? `${name} ${version}` : uuid}</a> ${
            known
              ? cachedBadge(cached)
              : html`${badge('warn', 'not known here')}
                  <span class="help">in no list: if no upstream has it, an import fails</span>`
          }
        </li>`,
    )}
  </ol>`;
}

function children({ children: all }: ShownImage): Html {
  if (all.length === 0) return html``;
  return html`<section aria-labelledby="h-children">
    <h2 id="h-children">Rest on it <small>${counted(all.length, 'image')}</small></h2>
    <ul class="origins">
      ${all
        .slice(0, MAX_CHILDREN)
        .map(
          ({ uuid, name, version, cached }) =>
            html`<li>
              <a href="/_mirror/images/${uuid}">${`${name} ${version}`.trim() || uuid}</a> ${cachedBadge(cached)}
            </li>`,
        )}
    </ul>
    ${all.length > MAX_CHILDREN ? html`<p class="help">and ${countText(all.length - MAX_CHILDREN)} more</p>` : ''}
  </section>`;
}

function cachedBadge(isCached: boolean): Html {
  return isCached ? badge('good', 'cached') : badge('note', 'not cached');
}

function conflict({ uuid, contradiction }: ShownImage, { nowMs, hasToken }: PageOptions): Html {
  if (contradiction === null) return html``;
  const { remembered, contradictedBy, since } = contradiction;
  return html`<section class="conflict" aria-labelledby="h-conflict">
    <h2 id="h-conflict">Conflict <small>${ago(since, nowMs)}</small></h2>
    <p>What was first seen is served until an operator accepts the change.</p>
    <dl class="facts">
      <div>
        <dt>Remembered, from ${remembered.upstream}</dt>
        <dd>${fileList(remembered.files)}</dd>
      </div>
      ${contradictedBy.map(
        ({ upstream, files: said }) =>
          html`<div>
            <dt>${upstream} now says</dt>
            <dd>${fileList(said)}</dd>
          </div> `,
      )}
    </dl>
    ${
      hasToken
        ? html`<p class="buttons" data-changes hidden>${acceptButton()}</p>`
        : html`<p>To accept it: <code>imgapi-mirror accept ${uuid}</code></p>`
    }
  </section>`;
}

function fileList(all: readonly { readonly sha1: string; readonly size: number }[]): Html {
  if (all.length === 0) return html`no files`;
  return html`${counted(all.length, 'file')}:
  ${all.map(({ sha1, size }, at) => html`${at === 0 ? '' : ', '}<code>${sha1}</code> (${bytesText(size)})`)}`;
}
