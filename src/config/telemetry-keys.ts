/** The part of the configuration that is about what the mirror tells of itself. */
import { choice, flag, integer, nullable, section, text } from './schema-kinds.ts';

export const metrics = section('Metrics for Prometheus.', {
  enabled: flag({ default: true, description: 'Serve them at `/metrics`.' }),
});

export const tracing = section(
  'Traces of requests, download attempts and upstream calls, sent to an OpenTelemetry collector.',
  {
    endpoint: nullable(
      text({
        format: 'collector-url',
        example: 'http://collector.example.com:4318/v1/traces',
        description:
          'Where spans are sent, as JSON over OTLP/HTTP; without a path, to `/v1/traces` there. Null traces nothing and costs nothing. It takes no credentials and no query: headers for it come from the variable `OTEL_EXPORTER_OTLP_HEADERS`, such as `Authorization=Bearer%20...`.',
      }),
    ),
    samplePercent: integer({
      default: 100,
      minimum: 1,
      maximum: 100,
      description: 'How many of a hundred traces are sent; each is sent with all of its spans or not at all.',
    }),
  },
);

export const log = section('What is logged.', {
  level: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'The least serious messages that are logged.',
  }),
  format: choice(['json', 'pretty'], {
    default: 'json',
    description: 'One JSON object per line, or lines for people.',
  }),
});
