/** The text of docs/metrics.md, from the metrics themselves: they are declared, primed and looked at, as a scrape would. */
import type { MetricObjectWithValues, MetricValue } from 'prom-client';
import type { Gauges } from '../src/metrics/gauge-sources.ts';
import { registerGauges } from '../src/metrics/gauges.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import { PREFETCH_IMAGE_RESULTS } from '../src/operations/prefetch.ts';
import { HEALTH_KINDS } from '../src/upstream/health.ts';

const PREFIX = 'imgapi_mirror_';
/** Stands for every configured upstream. */
const UPSTREAM = 'UPSTREAM';
/** The values of these come from outside and would make the file stale. */
const FREE_LABELS: ReadonlyMap<string, string> = new Map([
  ['upstream', 'the name of an upstream'],
  ['version', 'of the mirror'],
  ['node', 'the version of Node'],
]);

const INTRODUCTION = `<!-- Written by docs/generate.ts (npm run docs) from src/metrics/. Change that, not this. -->

# Metrics

\`GET /metrics\` on the mirror's own port, in Prometheus's text format; \`metrics.enabled: false\` turns it off. \`config/prometheus/\` has an example of
how to scrape it, and alerts.

* Every series is there at the first scrape, at zero where nothing has happened yet. The number of series depends on the number of upstreams and on nothing else: no label holds
  a uuid, an address or a path.
* Counters (\`..._total\`) count since the process started. Histograms have \`_bucket\`, \`_sum\` and \`_count\`. A gauge that has nothing to tell is \`NaN\`, which no comparison is true of.
* Unit *state*: the meaning says what the values stand for.

## What it saves

The bytes of files that clients can use, what the WAN carried for all of it, and the part that was saved, over a day. What went out in answers that the mirror then broke off, as their
bytes were wrong or an upstream failed, is no use to anybody and saves nothing. Sent bytes count as they go out, those that were broken off when their answer ends: in a time not much
longer than a transfer these may be more. There, and where nothing was sent, the part that was saved has no value; it is 0 where more came than was sent, as after a prefetch:

\`\`\`promql
clamp_min(
  sum by (instance) (increase(imgapi_mirror_file_response_bytes_total[1d])) - sum by (instance) (increase(imgapi_mirror_file_broken_bytes_total[1d])),
  0)
sum by (instance, cause) (increase(imgapi_mirror_upstream_cause_bytes_total[1d]))
clamp_min(
  1 - sum by (instance) (increase(imgapi_mirror_upstream_response_bytes_total[1d]))
    / (sum by (instance) (increase(imgapi_mirror_file_response_bytes_total[1d])) - sum by (instance) (increase(imgapi_mirror_file_broken_bytes_total[1d])) > 0),
  0)
\`\`\`

Causes: \`demand\`, a client waits (or a command that asks for an image that is in no list); \`prefetch\`, no client waits yet, manifests and icons of what is prefetched included; \`revalidation\`, lists and channels, fetched again whether they changed or not; \`resume\`, what was there already and came again, because an
upstream could not go on where a transfer had broken off. They add up to \`imgapi_mirror_upstream_response_bytes_total\`.
`;

const PROCESS = `## The process

Beside these there are the usual metrics of a Node process, as far as the platform has them: \`process_start_time_seconds\`, \`process_cpu_seconds_total\`, \`process_resident_memory_bytes\`,
\`nodejs_eventloop_lag_p99_seconds\` (since the scrape before; up to 10 ms are its own resolution), \`nodejs_heap_size_used_bytes\`, \`nodejs_gc_duration_seconds\`; on Linux \`process_open_fds\` and \`process_max_fds\` too.
`;

/** Which metrics each section has: those whose name, without our prefix, begins with one of these. */
const SECTIONS: readonly { readonly title: string; readonly names: readonly string[] }[] = [
  { title: 'Clients', names: ['http_', 'file_', 'cache_results_'] },
  { title: 'Upstreams', names: ['upstream_', 'lookups_', 'negative_'] },
  { title: 'Downloads', names: ['download', 'transfer_', 'pass_'] },
  { title: 'Bytes that were checked', names: ['integrity_', 'scrub', 'quarantined_'] },
  { title: 'Storage', names: ['blob', 'cache_', 'partial_', 'evict'] },
  { title: 'Catalog and trust', names: ['catalog_', 'trust_'] },
  { title: 'Prefetch', names: ['prefetch_'] },
  { title: 'The mirror itself', names: ['ready', 'build_', 'config_', 'tls_'] },
];

type Metric = MetricObjectWithValues<MetricValue<string>>;

/**
 * One table for each section, in the order of declaration.
 * @throws if a metric belongs to no section
 */
export async function metricsDocument(): Promise<string> {
  const metrics = await ownMetrics();
  const sectionOf = new Map(metrics.map((metric) => [metric, sectionFor(metric.name)]));
  const tables = SECTIONS.map(({ title }) => {
    const rows = metrics.filter((metric) => sectionOf.get(metric) === title).map(row);
    return `## ${title}\n\n| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return [INTRODUCTION, ...tables, PROCESS].join('\n');
}

/** All of ours with their primed values; those of Node are left out. */
async function ownMetrics(): Promise<Metric[]> {
  const { registry } = createMetrics({ version: 'VERSION', nodeVersion: 'NODE', upstreams: [UPSTREAM] });
  const update = registerGauges(registry, IDLE);
  await update();
  const all = await registry.getMetricsAsJSON();
  return all.filter(({ name }) => name.startsWith(PREFIX));
}

function sectionFor(metric: string): string {
  const name = metric.slice(PREFIX.length);
  const section = SECTIONS.find(({ names }) => names.some((beginning) => name.startsWith(beginning)));
  if (section === undefined) throw new Error(`docs/metrics-document.ts has no section for ${metric}`);
  return section.title;
}

function row({ name, help, type, values }: Metric): string {
  const labels = labelsOf(values);
  return `| ${[`\`${name}\``, type, unitOf(name, type, help), labels, help].map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
}

function labelsOf(values: Metric['values']): string {
  const seen = new Map<string, Set<string>>();
  for (const { labels } of values) {
    for (const [label, value] of Object.entries(labels)) {
      // Buckets are how a histogram is told, not what it is told by.
      if (label !== 'le') seen.set(label, (seen.get(label) ?? new Set()).add(String(value)));
    }
  }
  const told = [...seen].map(([label, set]) => {
    const free = FREE_LABELS.get(label);
    return `\`${label}\`: ${free ?? [...set].map((value) => `\`${value}\``).join(' ')}`;
  });
  return told.join('; ');
}

/** By the names' own convention, which a test holds them to. */
function unitOf(name: string, type: Metric['type'], help: string): string {
  if (name.endsWith('_timestamp_seconds')) return 'seconds since 1970';
  const base = name.replace(/_total$/, '');
  if (base.endsWith('_bytes_per_second')) return 'bytes per second';
  if (base.endsWith('_seconds')) return 'seconds';
  if (base.endsWith('_bytes')) return 'bytes';
  return /^(Always )?[01]\b/.test(help) && String(type) === 'gauge' ? 'state' : 'count';
}

/** A mirror where nothing has happened. */
const IDLE: Gauges = {
  readiness: async () => ({ isReady: true, isWritable: true }),
  downloads: () => ({ running: 0, followers: 0, passing: 0 }),
  storage: async () => ({
    blobs: 0,
    bytes: 0,
    maxBytes: null,
    minFreeBytes: 0,
    freeBytes: 0,
    reservedBytes: 0,
    usedBytes: 0,
    partialBytes: 0,
    quarantinedFiles: 0,
    quarantinedBytes: 0,
    evictionRanAtMs: undefined,
  }),
  scrub: () => ({ isReading: false, everyMs: 0, succeededAtMs: undefined }),
  negatives: () => 0,
  breakers: () => HEALTH_KINDS.map((kind) => ({ upstream: UPSTREAM, kind, state: 'closed' })),
  prefetch: () => ({
    runs: { schedule: { ok: 0, failed: 0, stopped: 0 }, hand: { ok: 0, failed: 0, stopped: 0 } },
    images: Object.fromEntries(PREFETCH_IMAGE_RESULTS.map((result) => [result, 0])),
    failing: 0,
    unfinished: 0,
    succeededAtMs: undefined,
  }),
  bandwidths: () => [{ upstream: UPSTREAM, limit: undefined, throttledSeconds: 0 }],
  certificateExpiresAtMs: () => undefined,
  catalog: () => ({
    refreshEveryMs: 0,
    images: 0,
    conflicts: 0,
    upstreams: [
      {
        upstream: UPSTREAM,
        images: 0,
        isUp: undefined,
        isHeld: false,
        ageSeconds: undefined,
        dropped: 0,
        refreshes: { ok: 0, failed: 0, useless: 0, held: 0 },
      },
    ],
  }),
};
