/** `GET /metrics`: Prometheus's text format. */
import type { FastifyInstance } from 'fastify';

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export function metricsRoute(app: FastifyInstance, deps: { readonly metrics: MetricsText }): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/metrics',
    config: { name: 'metrics' },
    handler: async (_request, reply) =>
      reply.header('content-type', deps.metrics.contentType).send(await deps.metrics.text()),
  });
}
