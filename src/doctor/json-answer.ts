/** Whether a JSON answer is one that imgadm can read, by its head and its body. PURE. */
import { problem, warning, type CheckName, type Finding } from './finding.ts';
import type { ProbeAnswer } from './probe.ts';

export type ParsedAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string };

export function parseAnswer({ body, broken }: ProbeAnswer): ParsedAnswer {
  if (broken !== undefined) return { ok: false, problem: `its body broke off: ${broken}` };
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return { ok: true, value };
  } catch {
    // What was sent says more than the parser does.
    const start = body.subarray(0, 60).toString('utf8');
    return { ok: false, problem: `its body is not JSON: ${JSON.stringify(start)}` };
  }
}

/** What is wrong with the head of a JSON answer: every one of these makes some client fail (see docs of sdc-imgapi). */
export function headFindings(check: CheckName, answer: ProbeAnswer, { ok: isJson }: ParsedAnswer): Finding[] {
  const findings: Finding[] = [];
  const encoding = answer.header('content-encoding');
  if (encoding !== undefined && encoding !== 'identity') {
    const todo = 'imgadm cannot read it: turn compression off in the proxy, or let it heed Accept-Encoding';
    findings.push(problem(check, `the answer is compressed (${encoding}) though nobody asked for it`, todo));
  }
  if (answer.header('content-md5') !== undefined) {
    const todo = 'take it off JSON answers: imgadm fails on it as soon as there is a character beyond ASCII';
    findings.push(problem(check, 'the answer has a Content-MD5', todo));
  }
  const type = answer.header('content-type');
  // Of a body that is something else, that is said.
  if (isJson && (type === undefined || !/^application\/json\b/i.test(type))) {
    const todo = 'clients read the body as JSON only if it says application/json: look for a proxy that changes it';
    findings.push(warning(check, `Content-Type is ${type ?? 'absent'}`, todo));
  }
  return findings;
}

/** How a failed request is told: the status, and the error the server gave, if it gave one. */
export function failureOf(answer: ProbeAnswer): string {
  const read = parseAnswer(answer);
  const value = read.ok && typeof read.value === 'object' && read.value !== null ? read.value : {};
  const code = 'code' in value ? `, ${String(value.code)}` : '';
  const message = 'message' in value ? `: ${String(value.message)}` : '';
  return `HTTP status ${answer.status}${code}${message}`;
}
