/** What the doctor says: one finding per thing that was looked at, each with what to do about it. PURE. */
import { escape } from '../config/problem.ts';

/** `warning`: it works, but something should be known or done. `problem`: some client, or the mirror, cannot work so. */
export type Verdict = 'ok' | 'warning' | 'problem';

/** What was looked at. */
export type CheckName =
  | 'config'
  | 'certificate'
  | 'cache'
  | 'mirror'
  | 'upstream'
  | 'ping'
  | 'list'
  | 'manifest'
  | 'file'
  | 'tls';

export interface Finding {
  readonly verdict: Verdict;
  readonly check: CheckName;
  /** What was found. May hold what a server sent: escaped when it is shown. */
  readonly found: string;
  /** What to do about it; of what is well, nothing. */
  readonly todo?: string;
}

/** Takes findings as they are made. */
export type Report = (finding: Finding) => void;

/** The longest name of a check, in characters. */
const CHECK_WIDTH = 'certificate'.length;
const VERDICT_WIDTH = 'problem'.length;
/** A server's own words are not worth more than this, in characters. */
const MAX_FOUND = 400;

export function ok(check: CheckName, found: string): Finding {
  return { verdict: 'ok', check, found };
}

export function warning(check: CheckName, found: string, todo: string): Finding {
  return { verdict: 'warning', check, found, todo };
}

export function problem(check: CheckName, found: string, todo: string): Finding {
  return { verdict: 'problem', check, found, todo };
}

/** One line: verdict and check in columns, what was found, and `-> ` what to do. */
export function findingLine({ verdict, check, found, todo }: Finding): string {
  const cut = found.length > MAX_FOUND ? `${found.slice(0, MAX_FOUND)}...` : found;
  const action = todo === undefined ? '' : ` -> ${todo}`;
  return `${verdict.padEnd(VERDICT_WIDTH)}  ${check.padEnd(CHECK_WIDTH)}  ${escape(cut + action)}`;
}
