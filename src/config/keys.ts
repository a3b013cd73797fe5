/** Every key of the configuration with its names, for the environment, the documentation and "did you mean". */
import type { KeySchema } from './schema-kinds.ts';
import { CONFIG_KEYS } from './schema.ts';

/** One key: a section's entry, or a list or mapping as a whole. */
export interface ConfigKey {
  /** `cache.maxBytes`; `upstreams[].url` for a key of each entry of a list. */
  readonly name: string;
  /** The steps of `name` up to the first list. */
  readonly path: readonly string[];
  /** The key's schema; of a nullable one, what it is when not null. */
  readonly schema: KeySchema;
  readonly isNullable: boolean;
  /** The environment variable that sets it; undefined for keys inside a list or inside something that may be null. */
  readonly variable: string | undefined;
  readonly description: string;
}

/** A section: a mapping of known keys, not one of free names. */
export function isSection(schema: KeySchema): boolean {
  return schema.properties !== undefined;
}

/** The schema of a nullable key's value when it is not null; undefined for a key that cannot be null. */
export function nonNull(schema: KeySchema): KeySchema | undefined {
  return schema.anyOf?.[0];
}

/** `IMGAPI_MIRROR_CACHE_MAX_BYTES` for `['cache', 'maxBytes']`. */
function variableOf(path: readonly string[]): string {
  const words = path.map((step) => step.replaceAll(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase());
  return ['IMGAPI_MIRROR', ...words].join('_');
}

/** Every key, in the order of the schema; the entries of lists and the insides of nullable sections after the key itself. */
export function listKeys(): readonly ConfigKey[] {
  return [...walk(CONFIG_KEYS, [], '', false)];
}

function* walk(schema: KeySchema, path: readonly string[], name: string, isInside: boolean): Generator<ConfigKey> {
  for (const [step, child] of Object.entries(schema.properties ?? {})) {
    const childName = name === '' ? step : `${name}.${step}`;
    const childPath = isInside ? path : [...path, step];
    if (isSection(child)) {
      yield* walk(child, childPath, childName, isInside);
      continue;
    }
    const inner = nonNull(child);
    yield {
      name: childName,
      path: childPath,
      schema: inner ?? child,
      isNullable: inner !== undefined,
      variable: isInside ? undefined : variableOf(childPath),
      description: child.description ?? '',
    };
    if (inner !== undefined && isSection(inner)) yield* walk(inner, childPath, childName, true);
    if (child.items !== undefined && isSection(child.items))
      yield* walk(child.items, childPath, `${childName}[]`, true);
  }
}
