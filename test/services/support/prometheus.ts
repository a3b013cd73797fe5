/** Debian's Prometheus as a process of its own: it scrapes mirrors on this machine and evaluates rules, both every second. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/wait-for.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface EvaluatedRule {
  readonly name: string;
  /** `ok`, or `err` with `lastError`. */
  readonly health: string;
  readonly lastError?: string;
  readonly alerts: readonly { readonly annotations: Readonly<Record<string, string>> }[];
}

export interface Prometheus {
  /** Evaluates an expression now. Rejects, with Prometheus's reason, if it does not parse or cannot be evaluated. */
  query(expression: string): Promise<Sample[]>;
  /** The rules as they were last evaluated. */
  rules(): Promise<readonly EvaluatedRule[]>;
}

/** A mirror to be scraped. */
export interface Target {
  readonly url: string;
  /** Of the certificate to trust, where the URL is https. */
  readonly caFile?: string;
}

export interface PrometheusOptions {
  /** Each by the `instance` it is to be known by. */
  readonly targets: Readonly<Record<string, Target>>;
  /** The content of a rules file. */
  readonly rules: object;
}

const EVERY = '1s';
const ASSETS = fileURLToPath(new URL('../../../config/prometheus/assets', import.meta.url));

/** Resolves when it answers; it is ended after the test. */
export async function startPrometheus(t: TestContext, { targets, rules }: PrometheusOptions): Promise<Prometheus> {
  const dir = await makeTempDir(t);
  const config = join(dir, 'prometheus.yaml');
  await writeFile(join(dir, 'rules.yaml'), stringify(rules));
  const scrapeConfigs = Object.entries(targets).map(([instance, { url, caFile }]) => ({
    job_name: instance,
    scheme: new URL(url).protocol.slice(0, -1),
    tls_config: caFile === undefined ? {} : { ca_file: caFile },
    // Their job is the same; the names of jobs are not allowed to be.
    static_configs: [{ targets: [new URL(url).host], labels: { instance, job: 'imgapi-mirror' } }],
  }));
  await writeFile(
    config,
    stringify({
      global: { scrape_interval: EVERY, scrape_timeout: EVERY, evaluation_interval: EVERY },
      rule_files: ['rules.yaml'],
      scrape_configs: scrapeConfigs,
    }),
  );
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=${new URL(url).host}`,
      `--web.external-url=${url}`,
      `--web.user-assets=${ASSETS}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  t.after(async () => {
    // What it has stored goes with the test: there is nothing to close in good order.
    child.kill('SIGKILL');
    await ended;
  });

  async function get(path: string): Promise<unknown> {
    const answer = await fetch(url + path, { signal: AbortSignal.timeout(20_000) });
    const body = fields(await answer.json());
    assert.equal(body['status'], 'success', `${path}: ${String(body['error'])}`);
    return body['data'];
  }

  await until(
    async () => {
      assert.equal(child.exitCode, null, output);
      return (await fetch(`${url}/-/ready`)).ok;
    },
    { deadlineMs: 30_000, everyMs: 100, what: 'Prometheus is ready' },
  );
  return {
    async query(expression) {
      const { resultType, result } = fields(await get(`/api/v1/query?query=${encodeURIComponent(expression)}`));
      // A scalar has no labels; all else is a list of samples.
      if (resultType === 'scalar') return [sampleOf({ metric: {}, value: result })];
      return list(result).map(sampleOf);
    },
    async rules() {
      const { groups } = fields(await get('/api/v1/rules'));
      return list(groups).flatMap((group) => list(fields(group)['rules']).map(ruleOf));
    },
  };
}

function sampleOf(raw: unknown): Sample {
  const { metric, value } = fields(raw);
  return { labels: texts(metric), value: numberOf(String(list(value)[1])) };
}

/** Prometheus writes infinities in its own way. */
function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}

function ruleOf(raw: unknown): EvaluatedRule {
  const { name, health, lastError, alerts } = fields(raw);
  return {
    name: String(name),
    health: String(health),
    ...(typeof lastError === 'string' ? { lastError } : {}),
    alerts: list(alerts).map((alert) => ({ annotations: texts(fields(alert)['annotations']) })),
  };
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(fields(value)).map(([name, text]) => [name, String(text)]));
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(isFields(value), `an object, not ${JSON.stringify(value)}`);
  return value;
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function list(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value), `a list, not ${JSON.stringify(value)}`);
  return value;
}

/** It must be told its port, so it cannot be given any free one. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}
