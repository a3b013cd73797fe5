/**
 * Raw values to resolved ones, along the schema: kinds checked, units turned into numbers, unknown keys refused, defaults filled in.
 * Every problem is reported; nothing stops at the first.
 */
import { checkFormat } from './formats.ts';
import { isSection, listKeys, nonNull } from './keys.ts';
import { isMapping, type Mapping } from './mapping.ts';
import { nearest } from './nearest.ts';
import { foundButWants, quote, type KeyPath, type Report } from './problem.ts';
import type { KeySchema } from './schema-kinds.ts';
import { counted, UNITS, type Unit } from './units.ts';

/** Stands for a value that was there and wrong: its problem has been reported, so it is not missing too. */
const INVALID = Symbol('invalid');

/**
 * Resolves what one source (file, environment, flags) says. The result has the keys that source has and no others, lists alone are
 * complete with the defaults of their entries. Pass it on to `complete`, wrong values included.
 */
export function resolveLayer(
  schema: KeySchema,
  raw: unknown,
  path: KeyPath,
  report: Report,
  isNullable = false,
): unknown {
  const wrong = (wantsMost: string, meant?: string): symbol => {
    const wants = isNullable ? `${wantsMost} or null` : wantsMost;
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    report(
      path,
      schema.secret === true
        ? `not right (not shown, as it may be secret); ${wants} would do`
        : `${foundButWants(raw, wants)}${hint}`,
    );
    return INVALID;
  };
  const inner = nonNull(schema);
  if (inner !== undefined) {
    if (raw === null) return null;
    const value = resolveLayer(inner, raw, path, report, true);
    return isSection(inner) ? complete(inner, [value], path, report) : value;
  }
  if (schema.properties !== undefined) {
    // A section with all its keys commented out.
    if (raw === null) return {};
    if (!isMapping(raw)) return wrong(wantsOf(schema));
    return resolveSection(schema.properties, raw, path, report);
  }
  if (schema.items !== undefined) {
    if (!Array.isArray(raw)) return wrong(wantsOf(schema));
    const { items, minItems = 0, maxItems = Infinity } = schema;
    if (raw.length < minItems || raw.length > maxItems) {
      const wants = `${minItems} to ${counted(maxItems, 'entry', 'entries')}`;
      report(path, `found a list of ${raw.length === 0 ? 'nothing' : raw.length}; one of ${wants} would do`);
      return INVALID;
    }
    return raw.map((item: unknown, index) => {
      const value = resolveLayer(items, item, [...path, index], report);
      return isSection(items) ? complete(items, [value], [...path, index], report) : value;
    });
  }
  if (schema.type === 'object') {
    if (raw === null) return {};
    return isMapping(raw) ? resolveFreeMapping(schema, raw, path, report) : wrong(wantsOf(schema));
  }
  return resolveLeaf(schema, raw, wrong);
}

function resolveSection(
  properties: Readonly<Record<string, KeySchema>>,
  raw: Mapping,
  path: KeyPath,
  report: Report,
): Mapping {
  const resolved: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const child = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (child === undefined) report([...path, key], `unknown key; ${suggestion(key, Object.keys(properties))}`);
    else resolved[key] = resolveLayer(child, value, [...path, key], report);
  }
  return resolved;
}

/** The nearest key of the same section; else keys of that very name elsewhere; else all that the section knows. */
function suggestion(key: string, siblings: readonly string[]): string {
  const near = nearest(key, siblings);
  if (near !== undefined) return `the nearest known one is ${near}`;
  const elsewhere = listKeys()
    .map(({ name }) => name)
    .filter((name) => name.split('.').at(-1)?.toLowerCase() === key.toLowerCase());
  return elsewhere.length > 0 ? `${elsewhere.join(' or ')} is known` : `known here: ${siblings.join(', ')}`;
}

function resolveFreeMapping(schema: KeySchema, raw: Mapping, path: KeyPath, report: Report): Mapping {
  const { additionalProperties: values, propertyNames } = schema;
  const seen = new Set<string>();
  const entries = Object.entries(raw).map(([name, value]): [string, unknown] => {
    const checked = propertyNames === undefined ? { value: name } : checkFormat(propertyNames.format, name);
    if ('wants' in checked) report([...path, name], `found ${quote(name)}; ${checked.wants} would do`);
    // Header names are the same whatever their case; two of them would be sent joined.
    if (seen.has(name.toLowerCase())) report([...path, name], 'there twice, in another spelling; once would do');
    seen.add(name.toLowerCase());
    return [name, values ? resolveLayer(values, value, [...path, name], report) : value];
  });
  return Object.fromEntries(entries);
}

function resolveLeaf(schema: KeySchema, raw: unknown, wrong: (wants: string, meant?: string) => symbol): unknown {
  if (schema.unit !== undefined) {
    const { parse, meant } = UNITS[schema.unit];
    const value = raw === 0 ? 0 : typeof raw === 'string' ? parse(raw) : undefined;
    const [least, most] = [parse(schema.atLeast ?? '0') ?? 0, parse(schema.atMost ?? '') ?? Infinity];
    const isOff = value === 0 && schema.orZero === true;
    if (isOff || (value !== undefined && value >= least && value <= most)) return value;
    return wrong(wantsOf(schema), value === undefined && typeof raw === 'string' ? meant(raw) : undefined);
  }
  if (schema.type === 'integer') {
    const isFit =
      Number.isSafeInteger(raw) && Number(raw) >= (schema.minimum ?? 0) && Number(raw) <= (schema.maximum ?? Infinity);
    return isFit ? raw : wrong(wantsOf(schema));
  }
  if (schema.type === 'boolean') return typeof raw === 'boolean' ? raw : wrong(wantsOf(schema));
  if (typeof raw !== 'string') {
    const isScalar = typeof raw === 'number' || typeof raw === 'boolean';
    return wrong(isScalar && schema.enum === undefined ? 'the same in quotes, as text,' : wantsOf(schema));
  }
  const isFit = raw.length >= (schema.minLength ?? 0) && raw.length <= (schema.maxLength ?? Infinity);
  if (!isFit || schema.enum?.includes(raw) === false) return wrong(wantsOf(schema));
  if (schema.format === undefined) return raw;
  const checked = checkFormat(schema.format, raw);
  return 'value' in checked ? checked.value : wrong(checked.wants);
}

/** What would do for a key, as words for a problem: `a size with its unit (B, KiB, ...), such as 5GiB`. */
function wantsOf(schema: KeySchema): string {
  if (schema.properties !== undefined) return `a mapping of keys (${Object.keys(schema.properties).join(', ')})`;
  if (schema.items !== undefined) return 'a list';
  if (schema.unit !== undefined) return wantsOfUnit(schema.unit, schema);
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  if (schema.type === 'object') return 'a mapping of names to text';
  if (schema.type === 'integer') return `a whole number from ${schema.minimum ?? 0} to ${schema.maximum ?? Infinity}`;
  if (schema.type === 'boolean') return 'true or false';
  return `text of ${schema.minLength ?? 0} to ${schema.maxLength ?? 0} characters${sampleOf(schema)}`;
}

function sampleOf({ example, default: standard }: KeySchema): string {
  const sample = example ?? standard;
  return typeof sample === 'string' ? `, such as ${sample},` : '';
}

function wantsOfUnit(unit: Unit, schema: KeySchema): string {
  const least = schema.atLeast === undefined ? '' : `, at least ${schema.atLeast}`;
  const most = schema.atMost === undefined ? '' : `, at most ${schema.atMost}`;
  const off = schema.orZero === true ? ', or 0' : '';
  return `${UNITS[unit].wants}${least}${most}${off}${sampleOf(schema)}`;
}

/**
 * One resolved value out of several layers' ones: sections key by key, anything else from the last layer that has it, else the default.
 * A key that has neither is reported as missing, unless it follows from other keys.
 */
export function complete(schema: KeySchema, layers: readonly unknown[], path: KeyPath, report: Report): unknown {
  if (schema.properties !== undefined) {
    const mappings = layers.filter(isMapping);
    // What is no mapping at all has been reported; its keys are not missing as well.
    const reportMissing = layers.includes(INVALID) ? () => undefined : report;
    return Object.fromEntries(
      Object.entries(schema.properties).map(([key, child]) => {
        const values = mappings.filter((mapping) => Object.hasOwn(mapping, key)).map((mapping) => mapping[key]);
        return [key, complete(child, values, [...path, key], reportMissing)];
      }),
    );
  }
  const value = layers.findLast((layer) => layer !== undefined);
  if (value !== undefined && value !== INVALID) return value;
  if (schema.default !== undefined) return resolveLayer(schema, schema.default, path, report);
  if (value === undefined && schema.derived === undefined) report(path, `missing; ${wantsOf(schema)} would do`);
  return undefined;
}
