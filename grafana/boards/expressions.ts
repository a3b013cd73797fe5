/**
 * The pieces PromQL expressions of the boards are made of. Every selector keeps to the mirrors chosen on the board, and
 * besides the variables only `$__rate_interval` and `$__range` are left to Grafana to fill in.
 */

/** What a mirror is known by. By `instance` alone it may be shared with other programs of the same host. */
export const MIRROR = 'job, instance';

/** What an upstream of a mirror is known by: mirrors may call different ones the same. */
export const UPSTREAM = `${MIRROR}, upstream`;

/** Matchers of the mirrors chosen on the board. */
const CHOSEN = 'job=~"$job", instance=~"$instance"';

/** The series of a metric, such as `imgapi_mirror_blobs{job=~"$job", instance=~"$instance"}`. Matchers: `route="file"`. */
export function of(metric: string, ...matchers: readonly string[]): string {
  return `${metric}{${[CHOSEN, ...matchers].join(', ')}}`;
}

/** The same, of the upstreams chosen on the board. */
export function ofUpstreams(metric: string, ...matchers: readonly string[]): string {
  return of(metric, 'upstream=~"$upstream"', ...matchers);
}

/** Per second, over a time that holds enough scrapes at any zoom. */
export function rate(series: string): string {
  return `rate(${series}[$__rate_interval])`;
}

/** The same per hour: for what happens now and then. */
export function perHour(series: string): string {
  return `3600 * ${rate(series)}`;
}

/** Over the time shown: for single numbers. */
export function increase(series: string): string {
  return `increase(${series}[$__range])`;
}

export function sum(expression: string): string {
  return `sum(${expression})`;
}

export function sumBy(labels: string, expression: string): string {
  return `sum by (${labels}) (${expression})`;
}

/**
 * The `q` quantile of a histogram's buckets, for each value of `labels`; no number where nothing happened.
 * @param buckets of the series `..._bucket`
 */
export function quantile(q: number, buckets: string, labels?: string): string {
  return `histogram_quantile(${q}, ${sumBy(labels === undefined ? 'le' : `le, ${labels}`, rate(buckets))})`;
}

/** The time since a timestamp; nothing where there is none yet (NaN, which no comparison is true of). */
export function since(timestamp: string): string {
  return `time() - (${timestamp} > 0)`;
}

/** A ratio that is nothing where the whole is 0, instead of NaN. Both sides with the same labels, or none. */
export function share(part: string, whole: string): string {
  return `${part} / (${whole} > 0)`;
}

/** The smaller of two, label set by label set. */
export function least(one: string, other: string): string {
  return `(${one} < ${other}) or ${other}`;
}
