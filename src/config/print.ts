/** The resolved configuration as a file: every key, units back in place, secrets masked. */
import { stringify } from 'yaml';
import { nonNull } from './keys.ts';
import { entryOf, isMapping } from './mapping.ts';
import { maskUrl } from './problem.ts';
import type { KeySchema } from './schema-kinds.ts';
import { CONFIG_KEYS, type Config } from './schema.ts';
import { UNITS } from './units.ts';

/** What stands in place of a secret. It loads, so a printed configuration does too. */
const MASK = '***';

const SECRET_HEADER = /auth|cookie|token|key|secret|pass|credential|signature/i;

/** YAML that loads back to the same configuration, but for its secrets. */
export function printConfig(config: Config): string {
  return stringify(toFileForm(config), { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The same as plain values: what a file would hold, such as `"5GiB"` for a size. */
export function toFileForm(config: Config): unknown {
  return written(CONFIG_KEYS, config);
}

function written(schema: KeySchema, value: unknown): unknown {
  const inner = nonNull(schema);
  if (inner !== undefined) return value === null ? null : written(inner, value);
  if (schema.properties !== undefined) {
    return Object.fromEntries(
      Object.entries(schema.properties).map(([key, child]) => [key, written(child, entryOf(value, key))]),
    );
  }
  const { items } = schema;
  if (items !== undefined && Array.isArray(value)) return value.map((item) => written(items, item));
  if (isMapping(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, text]) => [name, SECRET_HEADER.test(name) ? MASK : text]),
    );
  }
  if (schema.unit !== undefined) return UNITS[schema.unit].format(Number(value));
  if (schema.secret === true) return MASK;
  return typeof value === 'string' && schema.format === 'proxy' ? maskUrl(value) : value;
}
