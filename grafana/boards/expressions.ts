/**
 * The pieces PromQL expressions of the boards are made of. Every selector keeps to the instances chosen on the board, and
 * besides `$instance` and `$upstream` only `$__rate_interval` and `$__range` are left to Grafana to fill in.
 */

/** The series of a metric, such as `imgapi_mirror_blobs{instance=~"$instance"}`. Matchers: `route="file"`. */
export function of(metric: string, ...matchers: readonly string[]): string {
  return `${metric}{${['instance=~"$instance"', ...matchers].join(', ')}}`;
}

/** The same, of the upstreams chosen on the board. */
export function ofUpstreams(metric: string, ...matchers: readonly string[]): string {
  return of(metric, 'upstream=~"$upstream"', ...matchers);
}

/** Per second, over a time that holds enough scrapes at any zoom. */
export function rate(series: string): string {
  return `rate(${series}[$__rate_interval])`;
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
 * The `q` quantile of a histogram's buckets, for each value of `labels`.
 * @param buckets of the series `..._bucket`
 */
export function quantile(q: number, buckets: string, labels?: string): string {
  return `histogram_quantile(${q}, ${sumBy(labels === undefined ? 'le' : `le, ${labels}`, rate(buckets))})`;
}

/** The time since a timestamp; nothing where there is none yet (NaN, which no comparison is true of). */
export function since(timestamp: string): string {
  return `time() - (${timestamp} > 0)`;
}

/** A ratio that is no number where nothing happened, instead of NaN. Both sides without labels. */
export function share(part: string, whole: string): string {
  return `${part} / (${whole} > 0)`;
}
