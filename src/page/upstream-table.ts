/** The upstreams: whether they answer, and whether their lists are taken. */
import type { StatusResult, UpstreamStatus } from '../operations/status.ts';
import { takeListsButton } from './actions.ts';
import { html, type Html } from './html.ts';
import { badge } from './layout.ts';
import { ago, countText } from './wording.ts';

/** How an upstream stands, as every place of the page counts it. */
type UpstreamState = 'up' | 'held' | 'useless' | 'down' | 'unknown' | 'offline';

export function upstreamState({ up, held, problem }: UpstreamStatus, isOffline: boolean): UpstreamState {
  if (isOffline) return 'offline';
  if (up === null) return 'unknown';
  if (!up) return 'down';
  if (held) return 'held';
  return problem === null ? 'up' : 'useless';
}

const BADGES: Readonly<Record<UpstreamState, Html>> = {
  up: badge('good', 'up'),
  held: badge('warn', 'list held back'),
  useless: badge('bad', 'gives no list'),
  down: badge('bad', 'down'),
  unknown: badge('note', 'not asked yet'),
  offline: badge('note', 'offline'),
};

export function upstreamTable({ upstreams, offline }: StatusResult, nowMs: number): Html {
  return html`<section aria-labelledby="h-upstreams">
    <h2 id="h-upstreams">Upstreams <small>in the order in which they are asked</small></h2>
    <div id="held" data-swap>${heldNote(upstreams, offline)}</div>
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
function heldNote(upstreams: readonly UpstreamStatus[], isOffline: boolean): Html {
  const held = upstreams.filter((upstream) => upstreamState(upstream, isOffline) === 'held');
  if (held.length === 0) return html``;
  return html`<div class="warning">
    ${held.map(({ name, problem }) => html`<p><strong>${name}</strong>: ${problem}.</p> `)}
    <p>The last good list stays in force until the new one is taken.</p>
    ${takeListsButton(held.length)}
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

/** What a breaker's state means: closed, requests go through; half-open, one is tried; open, others are asked first. */
const BREAKER_WORDS = {
  closed: ['good', 'ok'],
  'half-open': ['warn', 'being tried again'],
  open: ['bad', 'failing'],
} as const;

function breakerBadge(what: string, state: UpstreamStatus['breakers']['list']): Html {
  const [kind, word] = BREAKER_WORDS[state];
  return badge(kind, `${what} ${word}`);
}
