/** The mirror's API, asked with the token, which is kept for this tab alone. */
const API = '/_mirror/api';
const TOKEN_KEY = 'imgapi-mirror-token';

export const token = {
  get: () => sessionStorage.getItem(TOKEN_KEY) ?? '',
  set: (text) => sessionStorage.setItem(TOKEN_KEY, text),
  forget: () => sessionStorage.removeItem(TOKEN_KEY),
};

/** What the mirror says in place of a result. */
export class Refused extends Error {
  /** @param status of the answer; 200 where it was refused later */
  constructor(message, status = 200) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options) {
  const answer = await fetch(`${API}/${path}`, options);
  if (answer.ok) return answer;
  const { message = `status ${answer.status}` } = await answer.json().catch(() => ({}));
  throw new Refused(message, answer.status);
}

const STATUS_WITHIN_MS = 5_000;

export async function readStatus() {
  return (await ask('status', { signal: AbortSignal.timeout(STATUS_WITHIN_MS) })).json();
}

const PATHS = { pin: ['POST', 'pins'], unpin: ['DELETE', 'pins'] };

/**
 * Asks for one operation and follows it line by line.
 * @param signal ends it: the mirror stops what nobody waits for
 * @returns {Promise<object>} its result
 */
export async function call(verb, input, { signal, onEvent = () => {} } = {}) {
  const [method, path] = PATHS[verb] ?? ['POST', verb];
  const answer = await ask(path, {
    method,
    signal,
    headers: {
      authorization: `Bearer ${token.get()}`,
      'content-type': 'application/json',
      accept: 'application/x-ndjson',
    },
    body: JSON.stringify(input),
  });
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
