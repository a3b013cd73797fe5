/**
 * Keys of the agreed surface whose feature is not built yet. Asking for one is refused and never silently ignored: a mirror that was told
 * to do something and does not do it is worse than one that does not start.
 *
 * When a feature is built, delete its lines here; nothing else has to change.
 */
import { isDeepStrictEqual } from 'node:util';
import { listKeys } from './keys.ts';
import { entryOf } from './mapping.ts';
import type { KeyPath, Report } from './problem.ts';
import { resolveLayer } from './resolve.ts';

/** A key that must stay at its default. With `values`, only those are refused. */
interface NotYet {
  readonly key: string;
  readonly values?: readonly string[];
}

export const NOT_YET: readonly NotYet[] = [
  { key: 'upstreams[].kind', values: ['dsapi', 'directory'] },
  { key: 'store.index' },
  { key: 'store.blobs' },
];

/** Reports every key of a resolved configuration that asks for something not built yet. */
export function checkNotYet(config: unknown, report: Report): void {
  for (const { key, values } of NOT_YET) {
    const known = listKeys().find(({ name }) => name === key);
    if (known === undefined) throw new Error(`not-yet.ts names ${key}, which is no key`);
    const written: unknown = known.isNullable ? null : known.schema.default;
    const standard = known.isNullable ? null : resolveLayer(known.schema, written, [], () => undefined);
    for (const { path, value } of valuesAt(config, key.split('.'), [])) {
      const isRefused =
        values === undefined ? !isDeepStrictEqual(value, standard) : values.some((refused) => refused === value);
      const shown = typeof written === 'string' ? written : JSON.stringify(written);
      if (isRefused) report(path, `not available yet (leave it out, or at its default ${shown})`);
    }
  }
}

/** The values at `a.b[].c`, one for each entry of the list, with their paths. */
function* valuesAt(
  value: unknown,
  steps: readonly string[],
  path: KeyPath,
): Generator<{ path: KeyPath; value: unknown }> {
  const [step, ...rest] = steps;
  if (step === undefined) {
    yield { path, value };
    return;
  }
  const name = step.replace('[]', '');
  const inner = entryOf(value, name);
  if (name === step) {
    yield* valuesAt(inner, rest, [...path, name]);
    return;
  }
  for (const [index, item] of (Array.isArray(inner) ? inner : []).entries())
    yield* valuesAt(item, rest, [...path, name, index]);
}
