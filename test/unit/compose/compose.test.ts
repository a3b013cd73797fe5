import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DCLinter } from 'dclint';
import { parse } from 'yaml';
import { defaultConfig } from '../../../src/config/load.ts';
import { parseTime } from '../../../src/config/units.ts';
import { alertRules } from '../../support/alert-rules.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const TOP = new URL('../../../', import.meta.url);
interface Service {
  readonly build?: string;
  readonly image: string;
  readonly restart: string;
  readonly user: string;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly stop_grace_period?: string;
  readonly ports: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly volumes: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const compose: Compose = readYaml('compose.yaml');
const services = Object.entries(compose.services);

/** What of the checkout a service sees, by where it sees it. */
const seen = new Map(
  services.flatMap(([, { volumes }]) =>
    volumes
      .map((volume) => volume.split(':'))
      .filter(([source = '']) => source.startsWith('./'))
      .map(([source = '', target = '', mode]) => [target, { source, mode }] as const),
  ),
);

test('compose.yaml fits the schema of the Compose specification; a slip in it would not', async (t) => {
  const file = fileURLToPath(new URL('compose.yaml', TOP));
  assert.deepEqual(schemaErrors(file), []);
  const dir = await makeTempDir(t);
  const slips = [
    ['stop_grace_period:', 'stop_grace_perod:'],
    ["ports: ['8080:8080']", 'ports: 8080'],
    ['cap_drop: [ALL]', 'cap_drop: ALL'],
  ] as const;
  for (const [right, wrong] of slips) {
    const slip = join(dir, 'compose.yaml');
    await writeFile(slip, readFileSync(file, 'utf8').replace(right, wrong));
    assert.equal(schemaErrors(slip).length, 1, wrong);
  }
});

test('the services are the three, and the volumes they name are declared and used', () => {
  assert.deepEqual(Object.keys(compose.services), ['mirror', 'prometheus', 'grafana']);
  for (const [name, service] of services) {
    for (const value of Object.values(service.environment ?? {})) assert.equal(typeof value, 'string', name);
    for (const port of service.ports) assert.match(port, /^(127\.0\.0\.1:)?\d+:\d+$/);
  }
  const named = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''));
  assert.deepEqual(
    named.filter((source) => !source.startsWith('./')),
    Object.keys(compose.volumes),
  );
});

test('nobody is root, every image has a version, everything has a health check and comes back after a crash', () => {
  for (const [name, service] of services) {
    assert.match(service.user, /^[1-9]\d*:\d+$/, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    assert.equal(service.restart, 'unless-stopped', name);
    if (service.build === undefined) assert.match(service.image, /:v?\d+\.\d+\.\d+$/, name);
    else assert.match(readFileSync(new URL(`${service.build}/Dockerfile`, TOP), 'utf8'), /^HEALTHCHECK /m);
    assert.ok(service.build !== undefined || service.healthcheck?.test[0] === 'CMD', name);
  }
});

test('the mirror is open to the network, its watchers are not', () => {
  assert.deepEqual(
    services.map(([, { ports }]) => ports.every((port) => port.startsWith('127.0.0.1:'))),
    [false, true, true],
  );
});

test('the mirror runs as the user of its image, on its port and volume, and has the time to drain', () => {
  const dockerfile = readFileSync(new URL('Dockerfile', TOP), 'utf8');
  const { listen } = defaultConfig();
  const mirror = serviceOf('mirror');
  assert.match(dockerfile, new RegExp(`^USER ${mirror.user}$`, 'm'));
  assert.match(dockerfile, new RegExp(`^VOLUME ${mirror.volumes[0]?.split(':')[1]}$`, 'm'));
  assert.deepEqual(mirror.ports, [`${listen.port}:${listen.port}`]);
  assert.ok(timeMs(mirror.stop_grace_period ?? '') > listen.drainTimeout);
});

test('what services see of the checkout is there, and cannot be changed by them', () => {
  assert.equal(seen.size, 4);
  for (const { source, mode } of seen.values()) {
    assert.ok(existsSync(new URL(source, TOP)), source);
    assert.equal(mode, 'ro', source);
  }
});

test('Prometheus is given a configuration that is there, with all the alerts, and scrapes the mirror', () => {
  const flag = (serviceOf('prometheus').command ?? []).find((word) => word.startsWith('--config.file='));
  const file = inCheckout(flag?.slice('--config.file='.length) ?? '');
  const own: PrometheusConfig = readYaml(file);
  const example: PrometheusConfig = readYaml('config/prometheus/prometheus.yaml');
  assert.deepEqual(targetsOf(own), ['mirror:8080']);
  // But for the address they are the same.
  assert.deepEqual({ ...own, scrape_configs: namesOf(own) }, { ...example, scrape_configs: namesOf(example) });
  const folder = new URL('.', new URL(file, TOP));
  for (const rules of own.rule_files) assert.ok(existsSync(new URL(rules, folder)), rules);
});

test('Prometheus serves the runbooks where its alerts lead, at the address at which it is reached', () => {
  const { command = [], ports } = serviceOf('prometheus');
  const [address, assets] = ['--web.external-url=', '--web.user-assets='].map(
    (flag) => command.find((word) => word.startsWith(flag))?.slice(flag.length) ?? '',
  );
  assert.equal(address, `http://localhost:${ports[0]?.split(':').at(-2)}`);
  const page = readFileSync(new URL(`${inCheckout(assets ?? '')}/imgapi-mirror-runbooks.html`, TOP), 'utf8');
  for (const { annotations } of alertRules()) {
    const [where, anchor] = (annotations['runbook_url'] ?? '').split('#');
    assert.equal(where, '{{ $externalURL }}/user/imgapi-mirror-runbooks.html');
    assert.ok(page.includes(`<h2 id="${anchor}">`), anchor);
  }
});

test('Grafana is given its data source and the boards, at the places its provisioning names', () => {
  const { environment = {} } = serviceOf('grafana');
  for (const kind of ['datasources', 'dashboards']) {
    assert.equal(inCheckout(`/etc/grafana/provisioning/${kind}`), `./grafana/provisioning/${kind}`);
  }

  const { datasources }: Sources = readYaml('grafana/provisioning/datasources/prometheus.yaml');
  assert.deepEqual(
    datasources.map(({ url, type }) => ({ url, type })),
    [{ url: `http://prometheus:${serviceOf('prometheus').ports[0]?.split(':').at(-1)}`, type: 'prometheus' }],
  );
  // Rates are over four of these: of a shorter one there would be gaps.
  const { global }: PrometheusConfig = readYaml('config/prometheus/prometheus.yaml');
  assert.equal(datasources[0]?.jsonData.timeInterval, global.scrape_interval);

  const { providers }: Providers = readYaml('grafana/provisioning/dashboards/imgapi-mirror.yaml');
  assert.deepEqual(
    providers.map(({ options }) => inCheckout(options.path)),
    ['./grafana/dashboards'],
  );
  const home = inCheckout(environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'] ?? '');
  assert.ok(existsSync(new URL(home, TOP)), home);
});

/** Of what dclint says of a file; its own types cannot be read in this kind of project. */
interface LintResult {
  readonly messages: readonly { readonly rule: string; readonly message: string }[];
}

interface PrometheusConfig {
  readonly global: { readonly scrape_interval: string };
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly static_configs: readonly { readonly targets: readonly string[] }[];
  }[];
}

interface Sources {
  readonly datasources: readonly {
    readonly url: string;
    readonly type: string;
    readonly jsonData: { readonly timeInterval: string };
  }[];
}

interface Providers {
  readonly providers: readonly { readonly options: { readonly path: string } }[];
}

function targetsOf({ scrape_configs: jobs }: PrometheusConfig): readonly string[] {
  return jobs.flatMap((job) => job.static_configs.flatMap(({ targets }) => targets));
}

function namesOf({ scrape_configs: jobs }: PrometheusConfig): readonly string[] {
  return jobs.map((job) => job.job_name);
}

/** The path in the checkout of what a service sees at `path`. */
function inCheckout(path: string): string {
  const [target, { source }] =
    [...seen].find(([folder]) => path === folder || path.startsWith(`${folder}/`)) ??
    assert.fail(`${path} is not of the checkout`);
  return `${source}${path.slice(target.length)}`;
}

function serviceOf(name: string): Service {
  return compose.services[name] ?? assert.fail(`no service ${name}`);
}

function timeMs(text: string): number {
  return parseTime(text) ?? assert.fail(`${text} is no time`);
}

/** What the schema has against a file; the linter's matters of taste are left out. */
function schemaErrors(file: string): readonly string[] {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
  const results: readonly LintResult[] = linter.lintFiles([file], false);
  return results.flatMap(({ messages }) =>
    messages.filter(({ rule }) => rule === 'invalid-schema').map(({ message }) => message),
  );
}

/** What the tests look at is looked at by them: nothing is known of it before. */
function readYaml(file: string): ReturnType<typeof parse> {
  return parse(readFileSync(new URL(file, TOP), 'utf8'));
}
