/** The upstreams: whether they answer, and whether their lists are taken. */
import { upstreamState, type UpstreamState } from '../operations/condition.ts';
import type { StatusResult, UpstreamStatus } from '../operations/status.ts';
import { takeListsButton } from './actions.ts';
import { html, type Html } from './html.ts';
import { badge, type PageOptions } from './layout.ts';
import { ago, countText } from './wording.ts';

const BADGES: Readonly<Record<UpstreamState, Html>> = {
  up: badge('good', 'up'),
  held: badge('warn', 'list held back'),
  useless: badge('bad', 'gives no list'),
  down: badge('bad', 'down'),
  unknown: badge('note', 'not asked yet'),
  offline: badge('note', 'offline'),
};

export function upstreamTable({ upstreams, offline }: StatusResult, { nowMs, hasToken }: PageOptions): Html {
  return html`<section aria-labelledby="h-upstreams">
    <h2 id="h-upstreams">Upstreams <small>in the order in which they are asked</small></h2>
    <div id="held" data-swap>${heldNote(upstreams, offline, hasToken)}</div>
    <div class="scroll" role="region" aria-label="Table of upstreams" tabindex="0">
      <table class="upstreams folds">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col" class="number">Images</th>
            <th scope="col">List confirmed</th>
            <th scope="col">Requests</th>
          </tr>
        </thead>
        <tbody id="upstreams" data-swap>
          ${upstreams.map((upstream) => upstreamRow(upstream, offline, nowMs))}
        </tbody>
      </table>
    </div>
  </section>`;
}

/** What is to be decided about a list that shrank. */
function heldNote(upstreams: readonly UpstreamStatus[], isOffline: boolean, hasToken: boolean): Html {
  const held = upstreams.filter((upstream) => upstreamState(upstream, isOffline) === 'held');
  if (held.length === 0) return html``;
  return html`<div class="warning">
    ${held.map(({ name, problem }) => html`<p><strong>${name}</strong>: ${problem}.</p> `)}
    <p>The last good list stays in force until the new one is taken.</p>
    ${hasToken ? takeListsButton(held.length) : html`<p>To take it: <code>imgapi-mirror refresh --accept</code></p>`}
  </div>`;
}

function upstreamRow(upstream: UpstreamStatus, isOffline: boolean, nowMs: number): Html {
  const { name, url, images, listConfirmedAt, problem, breakers } = upstream;
  const state = upstreamState(upstream, isOffline);
  return html`<tr>
    <th scope="row">${name} <span class="address">${url}</span></th>
    <td data-label="State">
      ${BADGES[state]}${problem === null ? '' : html` <span class="problem ${state}">${problem}</span>`}
    </td>
    <td data-label="Images" class="number">${countText(images)}</td>
    <td data-label="List confirmed">${ago(listConfirmedAt, nowMs)}</td>
    <td data-label="Requests">
      ${isOffline ? 'none are sent' : html`${breakerBadge('lists', breakers.list)} ${breakerBadge('files', breakers.file)}`}
    </td>
  </tr> `;
}

/** What a breaker's state means: closed, requests go through; open, others are asked first; half-open, it failed before, and nobody has asked since. */
const BREAKER_WORDS = {
  closed: ['good', ' ok'],
  'half-open': ['note', ': next request tries it'],
  open: ['bad', ' failing'],
} as const;

function breakerBadge(what: string, state: UpstreamStatus['breakers']['list']): Html {
  const [kind, word] = BREAKER_WORDS[state];
  return badge(kind, `${what}${word}`);
}
