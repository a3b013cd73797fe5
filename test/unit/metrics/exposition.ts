/** Prometheus's text format, read back: a line is a series and its value. */

/** Values by series, as in `name{label="value"}`. */
export function seriesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      const value = line.slice(at + 1);
      return [line.slice(0, at), value === '+Inf' ? Infinity : value === 'Nan' ? Number.NaN : Number(value)];
    }),
  );
}

/** The names and labels of our own series; Node's own appear when they like. */
export function ownSeries(text: string): string[] {
  return [...seriesOf(text).keys()].filter((series) => series.startsWith('imgapi_mirror_'));
}
