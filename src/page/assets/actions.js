/** What changes something: buttons with `data-verb`, wherever they are, ask for it over the API with the token. */
import { call, readStatus, Refused, token } from './api.js';
import { runJob } from './jobs.js';
import { textOf, VERBS } from './verbs.js';
import { byId, counted, make, plain } from './words.js';

function showToken() {
  byId('token-form').hidden = token.get() !== '';
  byId('verbs').hidden = token.get() === '';
}

/**
 * Says it where it is seen, in place of what was said before.
 * @param kind `wrong`, `warning` or nothing
 * @param offers buttons for what can be done about it
 */
function say(text, kind = '', offers = []) {
  const said = byId('said');
  said.className = `said ${kind}`;
  said.textContent = text;
  // It scrolls where it is long: a key must reach it then.
  said.tabIndex = text === '' ? -1 : 0;
  const dismiss = make('button', { type: 'button', class: 'plain' }, 'Dismiss');
  dismiss.addEventListener('click', () => say(''));
  byId('after').replaceChildren(...(text === '' ? [] : [...offers, dismiss]));
}

function pickedRows() {
  return [...document.querySelectorAll('tr:has(input[name="uuid"]:checked)')];
}

const uuidOf = (row) => row.querySelector('input[name="uuid"]').value;
const isInConflict = (row) => row.querySelector('[data-conflict]') !== null;

/** How many are ticked, and whether there is a conflict among them. */
export function showPicked() {
  const picked = byId('picked');
  if (picked === null) return;
  const rows = pickedRows();
  picked.textContent = rows.length === 0 ? 'the images that are ticked' : `${counted(rows.length, 'image')} ticked`;
  const isPicked = byId('scope').value === 'picked';
  document.querySelector('[data-for-conflict]').hidden = !(isPicked && rows.some(isInConflict));
}

/** The selectors that an action is for; none: nothing is picked. */
function selectorsFor(verb) {
  const { uuid } = byId('actions').dataset;
  if (uuid !== undefined) return [uuid];
  // A conflict is accepted image by image; the others that are ticked have none.
  if (verb === 'accept') return pickedRows().filter(isInConflict).map(uuidOf);
  const { value, dataset } = byId('scope');
  return value === 'selector' ? [dataset.selector] : pickedRows().map(uuidOf);
}

async function confirmed(title, text, button) {
  const dialog = byId('confirm');
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = button;
  dialog.returnValue = 'no';
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
  return dialog.returnValue === 'yes';
}

/** Whether it may be done: asked where it would change more than it may without a question. */
async function mayDo(verb, input, title) {
  const { count, free } = VERBS[verb];
  const plan = await runJob(`${title}: looking`, false, async () => call(verb, { ...input, dryRun: true }));
  const text = textOf(verb, plan);
  if (plan.plan?.fits === false) {
    say(text, 'wrong');
    return false;
  }
  return count(plan) <= free || confirmed(`${title} ${counted(count(plan), 'image')}?`, text, title);
}

async function change(verb, title) {
  const selectors = selectorsFor(verb);
  if (selectors.length === 0) {
    say('Tick the images it is for first.', 'wrong');
    return undefined;
  }
  const isToBeDone = await mayDo(verb, { selectors }, title);
  return isToBeDone ? { verb, input: { selectors } } : undefined;
}

async function heldLists() {
  return (await readStatus()).upstreams.filter(({ held }) => held);
}

/** Lists that were held back are taken only after the operator has seen what of them is strange. */
async function takeLists(title) {
  const held = await heldLists();
  const lines = held.map(({ name, problem }) => `${plain(name)}: ${plain(problem ?? 'held back')}`);
  lines.push(
    'All upstreams are asked again, and what they list then is taken. Images that are gone from it leave the lists.',
  );
  return (await confirmed(`${title}?`, lines.join('\n'), 'Take'))
    ? { verb: 'refresh', input: { accept: true } }
    : undefined;
}

/** What is to be done; undefined: nothing. */
async function decide(verb, title) {
  if (verb === 'refresh') return { verb, input: {} };
  return verb === 'take' ? takeLists(title) : change(verb, title);
}

async function perform({ verb, input }, title) {
  const { stopped, isWrong, isWarning } = VERBS[verb];
  try {
    const result = await runJob(title, stopped !== undefined, async (signal, onEvent) =>
      call(verb, input, { signal, onEvent }),
    );
    const hasWarning = isWarning?.(result) || (result.warnings ?? []).length > 0;
    const kind = isWrong?.(result) ? 'wrong' : hasWarning ? 'warning' : '';
    const held = verb === 'refresh' ? await heldLists() : [];
    say(textOf(verb, result) || 'Done.', kind, held.length > 0 ? [takeButton(held.length)] : []);
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
    say(`${title}: stopped. ${stopped}`, 'warning');
  }
}

function takeButton(count) {
  const title = count === 1 ? 'Take the list as it is' : 'Take the lists as they are';
  return make('button', { type: 'button', 'data-verb': 'take' }, title);
}

function sayError(error) {
  if (error.status === 401) {
    token.forget();
    showToken();
  }
  say(error instanceof Refused ? plain(error.message) : 'The mirror does not answer.', 'wrong');
  if (error.status === 401) byId('token').focus();
}

/** Verbs that run: another one can be begun meanwhile, the same cannot. */
const running = new Set();
let isDeciding = false;

/** A button that is off can still have the keyboard. */
function showBusy() {
  for (const button of document.querySelectorAll('[data-verb]')) {
    button.setAttribute('aria-disabled', String(isDeciding || running.has(button.dataset.verb)));
  }
}

async function onVerb(button, onChanged) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  const { verb } = button.dataset;
  const title = button.textContent.trim();
  if (token.get() === '') {
    say('Changes need the token: give it first.', 'wrong');
    byId('token').focus();
    return;
  }
  say('');
  try {
    isDeciding = true;
    showBusy();
    const decided = await decide(verb, title).finally(() => (isDeciding = false));
    if (decided === undefined) return;
    running.add(verb);
    showBusy();
    await perform(decided, title);
    await onChanged();
  } catch (error) {
    sayError(error);
  } finally {
    running.delete(verb);
    showBusy();
    // It may have been about what is there no more.
    if (!button.isConnected) byId('said').focus();
  }
}

function takeToken(event) {
  event.preventDefault();
  const field = byId('token');
  const given = field.value.trim();
  if (!/^[\x21-\x7e]+$/.test(given)) {
    say('That is no token: one has letters, digits and signs, and nothing that cannot be seen.', 'wrong');
    return;
  }
  token.set(given);
  field.value = '';
  say('');
  showToken();
  byId('verbs').querySelector('[data-verb]').focus();
}

/** Shows what can be done; `onChanged` is called when something was. */
export function startActions(onChanged) {
  byId('token-form').addEventListener('submit', takeToken);
  byId('forget-token').addEventListener('click', () => {
    token.forget();
    showToken();
    byId('token').focus();
  });
  document.addEventListener('click', ({ target }) => {
    const button = target.closest('[data-verb]');
    if (button !== null) void onVerb(button, onChanged);
  });
  document.addEventListener('change', ({ target }) => {
    if (target.id === 'pick-all') {
      for (const box of document.querySelectorAll('input[name="uuid"]')) box.checked = target.checked;
    }
    showPicked();
  });
  showToken();
  // A browser may have kept what was ticked.
  showPicked();
}
