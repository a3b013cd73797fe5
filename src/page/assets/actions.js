/** What changes something: asked for over the API with the token, which is kept for this tab alone. */
import { byId, bytesText, counted, countText, plain } from './words.js';

const API = '/_mirror/api';
const TOKEN_KEY = 'imgapi-mirror-token';

const actions = byId('actions');

function token() {
  return sessionStorage.getItem(TOKEN_KEY) ?? '';
}

function showToken() {
  byId('token-form').hidden = token() !== '';
  byId('verbs').hidden = token() === '';
}

function say(text, isWrong = false) {
  const said = byId('said');
  said.classList.toggle('wrong', isWrong);
  said.textContent = text;
}

class Refused extends Error {}

/**
 * Asks for one operation and follows it line by line.
 * @returns {Promise<object>} its result
 */
async function call(verb, input, onEvent = () => {}) {
  const [method, path] = { pin: ['POST', 'pins'], unpin: ['DELETE', 'pins'] }[verb] ?? ['POST', verb];
  const answer = await fetch(`${API}/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token()}`,
      'content-type': 'application/json',
      accept: 'application/x-ndjson',
    },
    body: JSON.stringify(input),
  });
  if (!answer.ok) {
    const { message = `status ${answer.status}` } = await answer.json().catch(() => ({}));
    if (answer.status === 401) {
      sessionStorage.removeItem(TOKEN_KEY);
      showToken();
      byId('token').focus();
    }
    throw new Refused(message);
  }
  let last;
  for await (const line of linesOf(answer.body)) {
    last = JSON.parse(line);
    if (last.event !== undefined) onEvent(last.event);
  }
  if (last?.error !== undefined) throw new Refused(last.error.message);
  if (last?.result === undefined) throw new Refused('the answer broke off');
  return last.result;
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line !== '') yield line;
  }
  if (rest !== '') yield rest;
}

/** The selectors that an action is for; undefined: nothing is picked. */
function selectorsFor() {
  if (actions.dataset.uuid !== undefined) return [actions.dataset.uuid];
  const scope = byId('scope');
  if (scope.value === 'selector') return [scope.dataset.selector];
  const picked = [...document.querySelectorAll('input[name="uuid"]:checked')].map(({ value }) => value);
  return picked.length === 0 ? undefined : picked;
}

const names = (images) => {
  const shown = images.slice(0, 5).map(({ name, version, uuid }) => plain(`${name} ${version}`.trim() || uuid));
  return shown.join(', ') + (images.length > 5 ? ` and ${countText(images.length - 5)} more` : '');
};
const listed = (title, images) => (images.length === 0 ? [] : [`${title}: ${names(images)}`]);
const notes = ({ warnings = [] }) => warnings.map(plain);

/** What each verb's result says, in lines. */
const SUMMARIES = {
  pin: (result) => [
    ...listed('Pinned', result.pinned),
    ...listed('Pinned before', result.already),
    ...listed('Held with them', result.origins),
  ],
  unpin: (result) => [
    ...listed('Unpinned', result.unpinned),
    ...listed('Not pinned', result.notPinned),
    ...listed('Held all the same', result.stillHeld),
  ],
  prefetch: (result) =>
    result.dryRun
      ? [
          `${counted(result.plan.images, 'image')}, ${counted(result.plan.files, 'file')}, ${bytesText(result.plan.bytes)} to fetch; ${counted(result.plan.presentImages, 'image')} there already.`,
          ...(result.plan.evictBytes > 0 ? [`${bytesText(result.plan.evictBytes)} would be evicted for it.`] : []),
          ...(result.plan.fits ? [] : ['It does not fit on the disk.']),
          'Leaving this page stops it; what has been fetched stays.',
        ]
      : [
          ...listed('Fetched', result.fetched),
          ...listed('There already', result.already),
          ...result.failed.map((image) => `Failed: ${names([image])}: ${plain(image.reason)}`),
          ...(result.plan.images === 0 ? ['Nothing was missing.'] : []),
        ],
  evict: (result) => [
    ...listed(result.dryRun ? 'Would go' : 'Evicted', result.evicted),
    ...(result.evicted.length > 0
      ? [`${bytesText(result.bytes)} of the disk ${result.dryRun ? 'would be' : 'are'} free by it.`]
      : []),
    ...result.kept.map((image) => `Stays: ${names([image])} (${image.reason})`),
    ...(result.notCached > 0 ? [`${counted(result.notCached, 'image')} not cached`] : []),
  ],
  accept: (result) =>
    result.accepted.map(
      ({ uuid, from, to }) =>
        `${uuid}: from ${from.sha1 ?? 'no file'} (${plain(from.upstream)}) to ${to.sha1 ?? 'no file'} (${plain(to.upstream)})`,
    ),
  refresh: (result) => [
    `${counted(result.images, 'image')} listed.`,
    ...result.upstreams.flatMap(({ name, problem }) => (problem === null ? [] : [`${plain(name)}: ${plain(problem)}`])),
  ],
};

/** These show what they would do, and ask, before they do it. */
const ASKED_FIRST = new Set(['prefetch', 'evict', 'accept']);

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

function showWork(event) {
  if (event.type !== 'total') return;
  const bar = byId('work');
  bar.hidden = false;
  bar.max = Math.max(1, event.bytes);
  bar.value = event.received;
  say(
    `${bytesText(event.received)} of ${bytesText(event.bytes)}, ${countText(event.filesDone)} of ${counted(event.files, 'file')} …`,
  );
}

async function act(button, onChanged) {
  const { verb } = button.dataset;
  const selectors = verb === 'refresh' ? [] : selectorsFor();
  if (selectors === undefined) {
    say('Tick the images it is for first.', true);
    return;
  }
  const input = verb === 'refresh' ? {} : { selectors };
  const title = button.textContent.trim();
  const linesFor = (result) => [...SUMMARIES[verb](result), ...notes(result)].join('\n');
  if (ASKED_FIRST.has(verb)) {
    say('Looking …');
    const plan = await call(verb, { ...input, dryRun: true });
    say('');
    if (!(await confirmed(`${title}?`, linesFor(plan), title))) return;
  }
  say(`${title} …`);
  const result = await call(verb, input, showWork);
  say(linesFor(result) || 'Done.');
  await onChanged();
}

async function onVerb(button, onChanged) {
  const buttons = [...document.querySelectorAll('[data-verb]')];
  for (const one of buttons) one.disabled = true;
  try {
    await act(button, onChanged);
  } catch (error) {
    say(error instanceof Refused ? plain(error.message) : 'The mirror does not answer.', true);
  } finally {
    byId('work').hidden = true;
    for (const one of buttons) one.disabled = false;
    button.focus({ preventScroll: true });
  }
}

/** Shows what can be done; `onChanged` is called when something was. */
export function startActions(onChanged) {
  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const field = byId('token');
    const given = field.value.trim();
    if (!/^[\x21-\x7e]+$/.test(given)) {
      say('That is no token: one has letters, digits and signs, and nothing that cannot be seen.', true);
      return;
    }
    sessionStorage.setItem(TOKEN_KEY, given);
    field.value = '';
    say('');
    showToken();
    document.querySelector('[data-verb]').focus();
  });
  byId('forget-token').addEventListener('click', () => {
    sessionStorage.removeItem(TOKEN_KEY);
    showToken();
    byId('token').focus();
  });
  for (const button of document.querySelectorAll('[data-verb]')) {
    button.addEventListener('click', () => void onVerb(button, onChanged));
  }
  byId('pick-all')?.addEventListener('change', ({ target }) => {
    for (const box of document.querySelectorAll('input[name="uuid"]')) box.checked = target.checked;
  });
  showToken();
}
