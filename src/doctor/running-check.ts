/** Whether a mirror runs on a cache directory, and whether it answers. */
import { PRODUCT } from '../config/product.ts';
import { isHeld } from '../records/held.ts';
import { readServing, type ServingInfo } from '../records/serving-file.ts';
import { ok, problem, warning, type Report } from './finding.ts';
import { failureOf, parseAnswer } from './json-answer.ts';
import { createProbe, ProbeError } from './probe.ts';
import { checkStatus } from './status-check.ts';

export interface RunningCheckOptions {
  readonly report: Report;
  readonly userAgent: string;
  /** For its answer, ms. */
  readonly deadlineMs: number;
}

const HEALTH_BYTES = 64 * 1024;

/** The address of the mirror that serves from `dir`; undefined if none does, or none can be seen. */
export async function checkRunning(dir: string, options: RunningCheckOptions): Promise<string | undefined> {
  const { report } = options;
  let held: boolean;
  let serving: ServingInfo | undefined;
  try {
    held = await isHeld(dir);
    serving = held ? await readServing(dir) : undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const todo = 'run the doctor as the mirror’s user, or name the mirror with --as-client';
    report(warning('mirror', `whether a mirror runs on ${dir} cannot be seen: ${reason}`, todo));
    return undefined;
  }
  if (!held) {
    report(
      warning('mirror', `no mirror runs on ${dir}`, 'start one (imgapi-mirror serve), or name it with --as-client'),
    );
    return undefined;
  }
  if (serving?.address === undefined) {
    const who = serving === undefined ? 'a process' : `process ${serving.pid}`;
    report(
      warning('mirror', `${who} holds ${dir} and does not serve`, 'wait until it is done; if it never is, see its log'),
    );
    return undefined;
  }
  await checkHealth(serving.address, serving.pid, options);
  return serving.address;
}

async function checkHealth(address: string, pid: number, options: RunningCheckOptions): Promise<void> {
  const { report, userAgent, deadlineMs } = options;
  const probe = createProbe(address, userAgent);
  const todo = 'look at its log; restart it if it hangs';
  try {
    const answer = await probe.ask({ path: '/_mirror/health', deadlineMs, maxBytes: HEALTH_BYTES });
    const read = parseAnswer(answer);
    if (answer.status !== 200 || !read.ok) {
      report(problem('mirror', `process ${pid} at ${address}: health is ${failureOf(answer)}`, todo));
      return;
    }
    report(ok('mirror', `process ${pid} serves ${address}, healthy, in ${Math.round(answer.headersMs)} ms`));
    const { value } = read;
    const version = typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
    if (version !== PRODUCT.version) {
      const found = `the mirror runs version ${String(version)}, this is ${PRODUCT.version}`;
      report(warning('mirror', found, 'restart the mirror, so that both are the same'));
    }
    await checkStatus({ probe, report, deadlineMs });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    report(problem('mirror', `process ${pid} holds the cache, but ${address} gives no answer: ${error.message}`, todo));
  } finally {
    await probe.close();
  }
}
