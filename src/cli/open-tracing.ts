/** Tracing, where an endpoint is configured: loaded only then. */
import { PRODUCT } from '../config/product.ts';
import type { Log } from '../config/log.ts';
import type { Config } from '../config/schema.ts';
import type { Tracing } from '../tracing/tracing.ts';

export async function openTracing(
  { endpoint, samplePercent }: Config['tracing'],
  log: Log,
  hostname: string,
): Promise<Tracing | undefined> {
  if (endpoint === null) return undefined;
  const { createOtlpTracing } = await import('../tracing/otlp.ts');
  const { name: serviceName, version: serviceVersion } = PRODUCT;
  return createOtlpTracing({ log }, { endpoint, samplePercent, serviceName, serviceVersion, hostname });
}
