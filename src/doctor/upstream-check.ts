/** Whether an upstream can be reached as the mirror reaches it, and whether the clocks agree. */
import { stat } from 'node:fs/promises';
import type { UpstreamConfig } from '../config/schema.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { MAX_SKEW_MS } from '../upstream/clock-check.ts';
import { createHttpClient } from '../upstream/http-client.ts';
import { withoutName } from '../upstream/unavailable.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

export interface UpstreamCheckOptions {
  /** PEM text of its `caFile`. */
  readonly ca: string | undefined;
  readonly userAgent: string;
  /** For the whole of it, ms. */
  readonly deadlineMs: number;
  /** Since the epoch, ms. */
  readonly now: () => number;
}

const REMEDY =
  'check its url, DNS, firewall and proxy; meanwhile only what is cached is served (offline: true stops asking)';

/** Asks its ping once. Never rejects because of what the upstream does. */
export async function checkUpstream(upstream: UpstreamConfig, options: UpstreamCheckOptions): Promise<Finding[]> {
  const { name, url } = upstream;
  if (upstream.kind === 'directory') return [await checkDirectory(name, url)];
  const http = createHttpClient({
    name,
    url,
    userAgent: options.userAgent,
    headers: upstream.headers,
    ca: options.ca,
    insecure: upstream.insecure,
    connectTimeoutMs: Math.min(upstream.connectTimeout, options.deadlineMs),
    // The deadline comes first.
    stallTimeoutMs: 2 * options.deadlineMs,
    proxy: upstream.proxy,
    allowAddresses: upstream.allowAddresses,
    allowRedirectsTo: upstream.allowRedirectsTo,
    // A mark no mirror knows for its own.
    via: '1.1 imgapi-mirror-doctor',
  });
  const startedAt = performance.now();
  try {
    const signal = AbortSignal.timeout(options.deadlineMs);
    const response = await http.get({ kind: 'ping', path: '/ping', headers: {}, signal });
    const { status } = response;
    const ms = Math.round(performance.now() - startedAt);
    const date = Date.parse(response.header('date') ?? '');
    await response.discard();
    const findings: Finding[] = [];
    // The legacy API has no ping below its base path; that it answers will do.
    if (status === 200 || (upstream.kind === 'dsapi' && status < 500)) {
      findings.push(ok('upstream', `${name} answers in ${ms} ms (${url})`));
    } else findings.push(problem('upstream', `${name}: ping answers HTTP status ${status} (${url})`, REMEDY));
    const skewMs = Number.isNaN(date) ? 0 : options.now() - date;
    if (Math.abs(skewMs) > MAX_SKEW_MS) {
      const minutes = Math.round(Math.abs(skewMs) / 60_000);
      const found = `this machine’s clock is ${minutes} min ${skewMs > 0 ? 'ahead of' : 'behind'} that of ${name}`;
      findings.push(warning('upstream', found, 'set the clock (NTP): certificates, ages and schedules go by it'));
    }
    return findings;
  } catch (error) {
    if (!(error instanceof MirrorError)) throw error;
    return [problem('upstream', `${name}: ${withoutName(name, error)} (${url})`, REMEDY)];
  } finally {
    await http.close();
  }
}

async function checkDirectory(name: string, path: string): Promise<Finding> {
  const todo = 'check its url, which is the path of a folder that this user may read';
  try {
    const found = await stat(path);
    if (!found.isDirectory()) return problem('upstream', `${name}: ${path} is no directory`, todo);
    return ok('upstream', `${name} is the folder ${path}`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return problem('upstream', `${name}: ${path} cannot be read: ${code}`, todo);
  }
}
