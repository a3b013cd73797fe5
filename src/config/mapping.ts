/** Plain mappings among values whose type is not known. */

export type Mapping = Readonly<Record<string, unknown>>;

/** True for a plain object; false for null, lists, and the sets and maps that YAML's tags can make. */
export function isMapping(value: unknown): value is Mapping {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What stands under `key`, own keys only; undefined where that is nothing or `value` is no mapping. */
export function entryOf(value: unknown, key: string): unknown {
  return isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
