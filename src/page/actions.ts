/**
 * What changes something. It needs the token, which only the module can hold and send: without a script it stays hidden, as does whatever else
 * is marked `data-changes`. Where no token is configured nobody can have one, and the command line is named instead.
 */
import { html, type Html } from './html.ts';
import { counted } from './wording.ts';

const VERBS: readonly (readonly [verb: string, title: string, about: string])[] = [
  ['prefetch', 'Prefetch', 'Fetch them now, before anybody asks'],
  ['pin', 'Pin', 'Keep them, and all they rest on, from eviction'],
  ['unpin', 'Unpin', 'Let eviction take them again'],
  ['evict', 'Evict', 'Remove their files now'],
];

/** What the actions are for. */
type About =
  | { readonly kind: 'image'; readonly uuid: string }
  /** Those that are picked in the table, or all that its selector selects. */
  | { readonly kind: 'table'; readonly selector: string; readonly selected: number }
  /** Where no image is shown: the lists alone. */
  | { readonly kind: 'lists' };

export function actionsBar(about: About, hasToken: boolean): Html {
  if (!hasToken) return commandLine(about);
  return html`<section
    class="actions"
    id="actions"
    aria-label="Actions"
    data-script
    hidden${about.kind === 'image' ? html` data-uuid="${about.uuid}"` : ''}
  >
    <form id="token-form">
      <label for="token">Token for changes</label>
      <input id="token" type="password" autocomplete="off" spellcheck="false" required aria-describedby="token-help" />
      <button type="submit">Use it</button>
      <p class="help" id="token-help">The mirror’s admin.token. This tab keeps it until it is closed.</p>
    </form>
    <div id="verbs" class="verbs" hidden>
      ${about.kind === 'table' ? scope(about.selector, about.selected) : ''}
      <div class="buttons" role="group" aria-label="What to do">
        ${
          about.kind === 'lists'
            ? ''
            : VERBS.map(
                ([verb, title, what]) =>
                  html`<button type="button" data-verb="${verb}" title="${what}">${title}</button> `,
              )
        }${about.kind === 'table' ? html`<span data-for-conflict hidden>${acceptButton()}</span>` : ''}
        <button type="button" data-verb="refresh" title="Ask the upstreams for their lists now">Refresh lists</button>
        <button type="button" id="forget-token" class="plain">Forget the token</button>
      </div>
    </div>
  </section>`;
}

/** The user of the cache directory needs no token there. */
function commandLine(about: About): Html {
  const what = about.kind === 'image' ? about.uuid : 'SELECTOR';
  const commands =
    about.kind === 'lists'
      ? ['refresh']
      : [...VERBS.map(([verb]) => `${verb} ${what}${verb === 'evict' ? ' --yes' : ''}`), 'refresh'];
  return html`<section class="actions" aria-label="Actions">
    <p class="help">
      No <code>admin.token</code> is configured, so nothing can be changed from here. On the mirror’s own machine the
      command line changes it:
      ${commands.map((command, at) => html`${at === 0 ? '' : ', '}<code>imgapi-mirror ${command}</code>`)}.
    </p>
  </section>`;
}

/** What is being done, what became of it, and questions: in sight wherever the page is scrolled to. */
export function news(): Html {
  return html`<section class="news" aria-label="What is done">
    <ul id="jobs" class="jobs" aria-label="What is being done"></ul>
    <p id="said" class="said" role="status"></p>
    <p id="after" class="buttons"></p>
    <dialog id="confirm" aria-labelledby="confirm-title">
      <h2 id="confirm-title"></h2>
      <p id="confirm-text"></p>
      <form method="dialog" class="buttons">
        <button value="no">Cancel</button><button value="yes" class="main" id="confirm-yes">Do it</button>
      </form>
    </dialog>
  </section>`;
}

/** A conflict is accepted image by image: it stands where one is seen. */
export function acceptButton(): Html {
  return html`<button
    type="button"
    data-verb="accept"
    title="Take what an upstream now says in place of what is remembered"
  >
    Accept
  </button>`;
}

/** For lists that were held back; all of them, as upstreams are asked together. */
export function takeListsButton(count: number): Html {
  const title = count === 1 ? 'Take the list as it is' : 'Take the lists as they are';
  return html`<button type="button" data-verb="take" data-changes hidden>${title}</button>`;
}

function scope(selector: string, selected: number): Html {
  return html`<label for="scope">With</label>
    <select id="scope" data-selector="${selector}">
      <option value="picked" id="picked">the images that are ticked</option>
      ${
        selector === ''
          ? ''
          : html`<option value="selector">all that the selector selects (${counted(selected, 'image')})</option>`
      }
    </select>`;
}
