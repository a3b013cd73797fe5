/** The table of images: searched by a selector, sorted and paged by links and a form that need no script. */
import { LIST_ORDERS, type ListOrder } from '../operations/list-order.ts';
import type { ListedImage, ListResult } from '../operations/list.ts';
import { actionsBar } from './actions.ts';
import { html, linesHtml, type Html } from './html.ts';
import { badge, type PageOptions } from './layout.ts';
import { directionOf, firstSort, nextSort, PER_PAGE, pageCount, tableUrl, type TableQuery } from './table-query.ts';
import { ago, bytesText, counted, countText } from './wording.ts';

/** What came of the question: a part of the images, or why there is none. */
export type TableContent = { readonly list: ListResult } | { readonly problem: string };

export function imageSection(query: TableQuery, content: TableContent, options: PageOptions): Html {
  return html`<section id="images" aria-labelledby="h-images">
    <h2 id="h-images">Images</h2>
    ${searchForm(query)}
    ${'problem' in content ? problemNote(content.problem, options) : tableOf(query, content.list, options)}
  </section>`;
}

function searchForm(query: TableQuery): Html {
  return html`<form class="search" role="search" method="get" action="/_mirror/#images">
    <label for="selector">Selector</label>
    <input
      id="selector"
      name="selector"
      type="search"
      value="${query.selector}"
      maxlength="1000"
      autocomplete="off"
      autocapitalize="none"
      spellcheck="false"
      placeholder="name=base-64* os=smartos latest=2"
      aria-describedby="selector-help"
    />
    <span class="field"
      ><label for="per">Rows</label>
      <select id="per" name="per">
        ${PER_PAGE.map((count) => html`<option${count === query.perPage ? html` selected` : ''}>${count}</option>`)}
      </select></span
    >
    <span class="field"
      ><label for="sort">Order</label>
      <select id="sort" name="sort">
        ${ordersFor(query).map(([sort, title]) => html`<option value="${sort}" ${sort === query.sort ? html` selected` : ''}>${title}</option>`)}
      </select></span
    >
    <button type="submit">Show</button>
    <p class="help" id="selector-help">
      Terms that must all hold:
      ${SAMPLES.map(([selector, label], at) => [at === 0 ? '' : html` · `, html`<a href="${tableUrl(query, { selector })}">${label}</a>`])}
    </p>
  </form>`;
}

const ORDER_TITLES: Readonly<Record<ListOrder, string>> = {
  published: 'Newest first',
  name: 'Name',
  version: 'Version',
  os: 'OS',
  type: 'Type',
  size: 'Largest first',
  used: 'Last used first',
  cached: 'Cached first',
  pinned: 'Pinned first',
  conflict: 'Conflicts first',
};

/** Each the way round that is mostly wanted, and the other way round the one that is in force. */
function ordersFor(query: TableQuery): (readonly [sort: string, title: string])[] {
  return LIST_ORDERS.flatMap((order) => {
    const first = firstSort(order);
    const isTurned = directionOf(query, order) !== 'none' && query.sort !== first;
    const title = ORDER_TITLES[order];
    return isTurned
      ? [
          [first, title],
          [query.sort, `${title}, turned round`],
        ]
      : [[first, title]];
  });
}

const SAMPLES: readonly (readonly [selector: string, label: string])[] = [
  ['', 'all'],
  ['cached', 'cached'],
  ['pinned', 'pinned'],
  ['conflict', 'conflict'],
  ['latest=1', 'latest=1'],
  ['os=smartos', 'os=smartos'],
  ['type=lx-dataset', 'type=lx-dataset'],
  ['size>1GiB', 'size>1GiB'],
];

function problemNote(problem: string, { hasToken }: PageOptions): Html {
  return html`<div class="problem-note" role="alert">
      <strong>Nothing is shown.</strong>
      <pre>${linesHtml(problem)}</pre>
    </div>
    ${actionsBar({ kind: 'lists' }, hasToken)}`;
}

function tableOf(query: TableQuery, { images, total, warnings }: ListResult, options: PageOptions): Html {
  return html`${
      warnings.length === 0
        ? ''
        : html`<ul class="warnings">
            ${warnings.map((warning) => html`<li>${warning}</li>`)}
          </ul>`
    }
    <p class="count" id="image-count" data-swap>${countOf(query, images.length, total)}</p>
    ${actionsBar({ kind: 'table', selector: query.selector, selected: total }, options.hasToken)}
    ${images.length === 0 ? '' : imageTable(query, images, options.nowMs)} ${pager(query, total)}`;
}

function countOf(query: TableQuery, shown: number, total: number): string {
  if (shown === 0) return total === 0 ? 'No image.' : `No image on this page, of ${countText(total)}.`;
  const first = (query.page - 1) * query.perPage + 1;
  return shown === total
    ? counted(total, 'image')
    : `${countText(first)} to ${countText(first + shown - 1)} of ${counted(total, 'image')}`;
}

const COLUMNS: readonly (readonly [ListOrder, string, string])[] = [
  ['name', 'Name', ''],
  ['version', 'Version', 'release'],
  ['os', 'OS', 'wide'],
  ['type', 'Type', 'wide'],
  ['published', 'Published', 'wide'],
  ['size', 'Size', 'number'],
  ['cached', 'State', ''],
  ['used', 'Last used', 'wide'],
];

function imageTable(query: TableQuery, images: readonly ListedImage[], nowMs: number): Html {
  return html`<div class="scroll" role="region" aria-label="Table of images" tabindex="0">
    <table class="images">
      <thead>
        <tr>
          <th scope="col" class="pick" data-changes hidden>
            <input type="checkbox" id="pick-all" aria-label="All on this page" />
          </th>
          ${COLUMNS.map(([order, title, kind]) => titleCell(query, order, title, kind))}
        </tr>
      </thead>
      <tbody>
        ${images.map((image) => imageRow(image, nowMs))}
      </tbody>
    </table>
  </div>`;
}

const ARROWS = { ascending: ' ▲', descending: ' ▼', none: '' } as const;

/** What a column shows beside what it is sorted by, and can be sorted by too. */
const SHOWN_TOO: Readonly<Partial<Record<ListOrder, readonly ListOrder[]>>> = { cached: ['pinned', 'conflict'] };

function titleCell(query: TableQuery, order: ListOrder, title: string, kind: string): Html {
  const other = SHOWN_TOO[order]?.find((shown) => directionOf(query, shown) !== 'none');
  const direction = directionOf(query, other ?? order);
  const state = direction === 'none' ? '' : html` aria-sort="${direction}"`;
  return html`<th scope="col" class="${kind}" ${state}>
    <a href="${tableUrl(query, { sort: nextSort(query, order) })}"
      >${title}${other === undefined ? '' : `: ${other}`}<span aria-hidden="true">${ARROWS[direction]}</span></a
    >
  </th>`;
}

function imageRow(image: ListedImage, nowMs: number): Html {
  const { uuid, name, version, os, type, publishedAt, size, lastUsedAt } = image;
  const label = name === '' ? uuid : name;
  const published = publishedAt.slice(0, 10);
  return html`<tr>
    <td class="pick" data-changes hidden>
      <input type="checkbox" name="uuid" value="${uuid}" aria-label="${`${label} ${version}`}" />
    </td>
    <th scope="row">
      <a class="clamp" href="/_mirror/images/${uuid}" title="${`${label} ${version} (${uuid})`}">${label}</a>
      <span class="narrow">${[version, published].filter((text) => text !== '').join(' · ')}</span>
    </th>
    <td class="release"><span class="clamp">${version}</span></td>
    <td class="wide">${os}</td>
    <td class="wide">${type}</td>
    <td class="wide">${published}</td>
    <td class="number">${bytesText(size)}</td>
    <td id="state-${uuid}" data-swap>${stateBadges(image)}</td>
    <td class="wide" id="used-${uuid}" data-swap>${ago(lastUsedAt, nowMs, '')}</td>
  </tr> `;
}

/** How an image stands here, in words. */
export function stateBadges({ cached, pinned, conflict, listed }: ListedImage): Html {
  const badges = [
    cached ? badge('good', 'cached') : '',
    pinned ? badge('note', 'pinned') : '',
    conflict ? html`<span data-conflict>${badge('bad', 'conflict')}</span>` : '',
    listed ? '' : badge('warn', 'unlisted'),
  ];
  return html`${badges}`;
}

function pager(query: TableQuery, total: number): Html {
  const last = pageCount(total, query);
  if (last === 1 && query.page === 1) return html``;
  const link = (page: number, text: string, rel: string): Html =>
    page < 1 || page > last || page === query.page
      ? html`<span class="off">${text}</span>`
      : html`<a href="${tableUrl(query, { page })}" ${rel === '' ? '' : html` rel="${rel}"`}>${text}</a>`;
  return html`<nav class="pager" aria-label="Pages of the table">
    ${link(1, 'First', '')} ${link(Math.min(query.page - 1, last), 'Previous', 'prev')}
    <span>Page ${countText(query.page)} of ${countText(last)}</span> ${link(query.page + 1, 'Next', 'next')}
    ${link(last, 'Last', '')}
  </nav>`;
}
