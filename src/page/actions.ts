/** What changes something. It needs the token, which only the module can hold and send: without a script it stays hidden. */
import { html, type Html } from './html.ts';

const VERBS: readonly (readonly [verb: string, title: string, about: string])[] = [
  ['prefetch', 'Prefetch', 'Fetch them now, before anybody asks'],
  ['pin', 'Pin', 'Keep them, and all they rest on, from eviction'],
  ['unpin', 'Unpin', 'Let eviction take them again'],
  ['evict', 'Evict', 'Remove their files now'],
  ['accept', 'Accept', 'Take what an upstream now says of them in place of what is remembered'],
];

/** For one image, or for those that are picked in the table or that its selector selects. */
export function actionsBar(about: { readonly uuid: string } | { readonly selector: string }): Html {
  const isOne = 'uuid' in about;
  return html`<section
    class="actions"
    id="actions"
    aria-label="Actions"
    data-script
    hidden${isOne ? html` data-uuid="${about.uuid}"` : ''}
  >
    <form id="token-form">
      <label for="token">Token for changes</label>
      <input id="token" type="password" autocomplete="off" spellcheck="false" required aria-describedby="token-help" />
      <button type="submit">Use it</button>
      <p class="help" id="token-help">The mirror’s admin.token. This tab keeps it until it is closed.</p>
    </form>
    <div id="verbs" class="verbs" hidden>
      ${isOne ? '' : scope(about.selector)}
      <div class="buttons" role="group" aria-label="What to do">
        ${VERBS.map(
          ([verb, title, what]) => html`<button type="button" data-verb="${verb}" title="${what}">${title}</button> `,
        )}<button type="button" data-verb="refresh" title="Ask the upstreams for their lists now">Refresh lists</button>
        <button type="button" id="forget-token" class="plain">Forget the token</button>
      </div>
    </div>
    <p id="said" class="said" role="status"></p>
    <progress id="work" hidden aria-label="Progress of what was asked for"></progress>
    <dialog id="confirm" aria-labelledby="confirm-title">
      <h2 id="confirm-title"></h2>
      <p id="confirm-text" class="said"></p>
      <form method="dialog" class="buttons">
        <button value="no">Cancel</button><button value="yes" class="main" id="confirm-yes">Do it</button>
      </form>
    </dialog>
  </section>`;
}

function scope(selector: string): Html {
  return html`<label for="scope">With</label>
    <select id="scope" data-selector="${selector}">
      <option value="picked">the images that are ticked</option>
      ${selector === '' ? '' : html`<option value="selector">all that the selector selects</option>`}
    </select>`;
}
