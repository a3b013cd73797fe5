/** The processes themselves: memory, CPU, event loop. What only Linux tells is shown beside what every system does. */
import { createBoard, type Board } from './board.ts';
import { MIRROR, of, perHour, quantile, rate, since, sumBy } from './expressions.ts';
import { graph, stat } from './panel.ts';

export function processBoard(): Board {
  return createBoard({
    name: 'process',
    title: 'Process',
    description: 'The processes themselves: memory, CPU, event loop, configuration.',
    rows: [
      { title: 'What runs', panels: running() },
      { title: 'What it takes', panels: takes() },
      { title: 'How busy it is', panels: busy() },
    ],
  });
}

const running = () => [
  stat({
    title: 'Version',
    description: 'The version of each mirror, and of the Node it runs on.',
    unit: 'state',
    width: 8,
    none: 'no mirror',
    words: { 1: { text: 'runs', color: 'green' } },
    queries: { '{{instance}}: {{version}}, Node {{node}}': of('imgapi_mirror_build_info') },
  }),
  stat({
    title: 'Up since',
    description: 'How long the process has been running; short again and again: it does not stay up.',
    unit: 'seconds',
    width: 4,
    none: 'no mirror',
    queries: { '{{instance}}': since(of('process_start_time_seconds')) },
  }),
  stat({
    title: 'Configuration loaded',
    description: 'Time since the configuration was last loaded, at the start or by a reload.',
    unit: 'seconds',
    width: 4,
    none: 'no mirror',
    queries: { '{{instance}}': since(of('imgapi_mirror_config_last_reload_success_timestamp_seconds')) },
  }),
  stat({
    title: 'Last reload',
    description: 'Failed: something is wrong with the new configuration or certificate, and nothing was changed.',
    unit: 'state',
    width: 4,
    none: 'no mirror',
    words: { 1: { text: 'well', color: 'green' }, 0: { text: 'failed', color: 'red' } },
    queries: { '{{instance}}': of('imgapi_mirror_config_last_reload_successful') },
  }),
  stat({
    title: 'Certificate runs out in',
    description: 'How long the certificate that clients are shown is still valid; below 14 days an alert fires.',
    unit: 'seconds',
    width: 4,
    none: 'no HTTPS',
    color: 'red',
    steps: [{ from: 14 * 86_400, color: 'green' }],
    queries: { '{{instance}}': `(${of('imgapi_mirror_tls_certificate_expiry_timestamp_seconds')} > 0) - time()` },
  }),
];

const takes = () => [
  graph({
    title: 'Memory',
    description:
      'All of the process in memory, and what JavaScript uses of it; it does not grow with clients or files.',
    unit: 'bytes',
    width: 8,
    queries: {
      '{{instance}} resident': of('process_resident_memory_bytes'),
      '{{instance}} heap': of('nodejs_heap_size_used_bytes'),
      '{{instance}} external': of('nodejs_external_memory_bytes'),
    },
  }),
  graph({
    title: 'CPU',
    description: 'Cores in use: 1 is one core all of the time; hashing has a thread of its own.',
    unit: 'count',
    width: 8,
    queries: {
      '{{instance}} user': rate(of('process_cpu_user_seconds_total')),
      '{{instance}} system': rate(of('process_cpu_system_seconds_total')),
    },
  }),
  graph({
    title: 'Handles and file descriptors',
    description:
      'What keeps the process busy, by type; on Linux its file descriptors too, and at the right how many it may have.',
    unit: 'count',
    width: 8,
    rightAxis: ' most descriptors',
    queries: {
      '{{instance}} {{type}}': of('nodejs_active_resources'),
      '{{instance}} descriptors': of('process_open_fds'),
      '{{instance}} most descriptors': of('process_max_fds'),
    },
  }),
];

const busy = () => [
  graph({
    title: 'Event loop lag',
    description: 'How late timers fire: above 100 ms everything waits for something that computes.',
    unit: 'seconds',
    width: 8,
    queries: {
      '{{instance}} median': of('nodejs_eventloop_lag_p50_seconds'),
      '{{instance}} slowest 1 %': of('nodejs_eventloop_lag_p99_seconds'),
    },
  }),
  graph({
    title: 'Garbage collection',
    description: 'Share of the time spent on it, by kind; only major collections stop everything for long.',
    unit: 'ratio',
    width: 8,
    queries: { '{{instance}} {{kind}}': sumBy(`${MIRROR}, kind`, rate(of('nodejs_gc_duration_seconds_sum'))) },
  }),
  graph({
    title: 'Requests, slowest 5 %',
    description:
      'One request in twenty takes longer; without files, open pages and operations: they last as long as their work.',
    unit: 'seconds',
    width: 8,
    queries: {
      '{{route}}': quantile(
        0.95,
        of('imgapi_mirror_http_request_duration_seconds_bucket', 'route!~"file|events|api"'),
        'route',
      ),
    },
  }),
  graph({
    title: 'Reloads of the configuration',
    description: 'By result; failed: something is wrong with the new configuration and nothing was changed.',
    unit: 'perHour',
    width: 12,
    queries: { '{{instance}} {{result}}': perHour(of('imgapi_mirror_config_reloads_total')) },
  }),
  graph({
    title: 'Images and remembered absences',
    description: 'Images that clients see by default, and uuids remembered as known to no upstream: both are bounded.',
    unit: 'count',
    width: 12,
    queries: {
      '{{instance}} images': of('imgapi_mirror_catalog_images'),
      '{{instance}} absences': of('imgapi_mirror_negative_entries'),
    },
  }),
];
