/** What has been saved since the start, read off the counters: they are the one place where bytes are counted. */
import type { Metrics } from '../metrics/metrics.ts';
import type { Traffic } from '../operations/status.ts';

export async function readTraffic(metrics: Metrics): Promise<Traffic> {
  const [sent, broken, pulled, results] = await Promise.all([
    metrics.fileBytes.get(),
    metrics.brokenBytes.get(),
    metrics.upstreamBytes.get(),
    metrics.cacheResults.get(),
  ]);
  const lanBytes = sum(sent.values);
  const brokenBytes = sum(broken.values);
  const wanBytes = sum(pulled.values);
  const count = (result: string): number =>
    sum(results.values.filter(({ labels }) => labels.kind === 'file' && labels.result === result));
  return {
    files: { hit: count('hit'), miss: count('miss'), join: count('join'), pass: count('pass') },
    lanBytes,
    brokenBytes,
    wanBytes,
    savedRatio: lanBytes === 0 ? null : savedOf(lanBytes - brokenBytes, wanBytes),
  };
}

function savedOf(servedBytes: number, wanBytes: number): number {
  return servedBytes <= wanBytes ? 0 : 1 - wanBytes / servedBytes;
}

function sum(values: readonly { readonly value: number }[]): number {
  return values.reduce((total, { value }) => total + value, 0);
}
