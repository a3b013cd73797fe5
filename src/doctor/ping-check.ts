/** `GET /ping`, as `imgadm sources -a` asks it before it takes a source. */
import { isImageUuid } from '../imgapi/ids.ts';
import { failureOf, parseAnswer } from './json-answer.ts';
import { ok, problem, warning } from './finding.ts';
import { ProbeError, type ProbeAnswer } from './probe.ts';
import type { Subject } from './subject.ts';

const PING_BYTES = 64 * 1024;

const REMEDY: Readonly<Record<ProbeError['kind'], string>> = {
  refused: 'start the mirror there, or correct host and port; a firewall between may be it too',
  name: 'correct the name, or tell DNS (or /etc/hosts) about it',
  timeout:
    'imgadm waits without end for this: look at the mirror’s log and load, and for a firewall that drops packets',
  other: 'see what listens there: is it http where https was meant, or the other way round?',
};

const NO_SERVER = 'this is no image server, or a proxy in front of one: correct the URL';

/** True if there is an image server whose other answers are worth a look. */
export async function checkPing({ probe, report, limits }: Subject): Promise<boolean> {
  let answer: ProbeAnswer;
  try {
    answer = await probe.ask({ path: '/ping', deadlineMs: limits.smallMs, maxBytes: PING_BYTES });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    report(problem('ping', `no answer from ${probe.url}: ${error.message}`, REMEDY[error.kind]));
    return false;
  }
  const { status, headersMs } = answer;
  const read = parseAnswer(answer);
  if (status !== 200) {
    const { found, todo } = refusal(answer);
    report(problem('ping', `${probe.url}/ping: ${found}`, todo));
    return false;
  }
  if (!read.ok) {
    report(problem('ping', `${probe.url}/ping: 200, but ${read.problem}`, NO_SERVER));
    return false;
  }
  const { value } = read;
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  if (!fields['imgapi']) {
    const todo = 'give imgadm the URL of an IMGAPI; it refuses any other as a source';
    report(problem('ping', `${probe.url}/ping answers without "imgapi": true`, todo));
    return false;
  }
  const version = typeof fields['version'] === 'string' ? fields['version'] : 'an image server of no version';
  report(ok('ping', `${probe.url} answers in ${Math.round(headersMs)} ms: ${version}`));
  const requestId = answer.header('x-request-id');
  if (answer.header('server') === undefined || !isImageUuid(requestId)) {
    const found = `Server is ${answer.header('server') ?? 'absent'}, x-request-id ${requestId ?? 'absent'}`;
    const todo =
      'an IMGAPI that imports from here wants both, the id a plain uuid: look for a proxy that drops headers';
    report(warning('ping', found, todo));
  }
  return true;
}

function refusal(answer: ProbeAnswer): { readonly found: string; readonly todo: string } {
  const { status } = answer;
  const found = failureOf(answer);
  if (status === 403)
    return { found, todo: 'if it is a mirror: let this address in (listen.allow), or ask from a host' };
  if (status === 503) return { found, todo: 'it is overloaded or stopping: look at its log' };
  if (status < 300 || status >= 400) return { found, todo: NO_SERVER };
  const location = answer.header('location') ?? 'nowhere';
  return { found: `${found}; imgadm follows no redirect (to ${location})`, todo: 'give hosts the URL it leads to' };
}
