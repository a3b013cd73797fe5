/**
 * The kinds of key a configuration has, as plain JSON Schema objects under typebox's types.
 *
 * Only typebox's types are used: loading its builders costs about 100 ms, a fifth of what a start may take, and what they would build is
 * exactly these objects. The JSON Schema describes the file as written (`type: string` for a size); the static type is the resolved value (bytes).
 */
import type {
  Static,
  TArray,
  TBoolean,
  TEnum,
  TInteger,
  TNull,
  TObject,
  TRecord,
  TSchema,
  TString,
  TUnion,
  TUnsafe,
} from 'typebox';
import type { Format } from './formats.ts';
import type { Unit } from './units.ts';

export type { Static };

/** What a key may say about itself. JSON Schema's own keywords, and beside them ours: `unit`, `atLeast`, `atMost`, `orZero`, `secret`, `example`, `derived`. */
export interface KeyOptions {
  /** What it does, and what it costs. One or more sentences, for the documentation. */
  readonly description: string;
  /** As written in a file. Left out only for required keys of a list's entries, and for derived ones. */
  readonly default?: unknown;
  /** A value that would do, for error messages, where the default would not help. */
  readonly example?: string;
  /** Never quoted in a problem, and `***` where the configuration is printed (of headers, those whose name sounds like a secret). */
  readonly secret?: boolean;
  /** May be left out although it has no default: it follows from other keys. The documentation says this instead of a default. */
  readonly derived?: string;
}

/** Any key's schema as the code that walks it sees it: every keyword optional. */
export interface KeySchema extends Partial<KeyOptions> {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, KeySchema>>;
  readonly items?: KeySchema;
  readonly additionalProperties?: KeySchema | false;
  readonly propertyNames?: { readonly format: Format };
  readonly anyOf?: readonly KeySchema[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly minItems?: number;
  readonly format?: Format;
  readonly unit?: Unit;
  /** Bounds of a key with a unit, as written in a file. */
  readonly atLeast?: string;
  readonly atMost?: string;
  /** 0 is allowed as well, though it is less than `atLeast`: it turns the thing off. */
  readonly orZero?: boolean;
}

type Bounds = Pick<KeySchema, 'atLeast' | 'atMost' | 'orZero'>;

/** Longest text of a key that says nothing else, in characters. */
const MAX_TEXT = 4096;
/** Most entries of a list that says nothing else. */
const MAX_ITEMS = 1000;

/** The one place where a plain object is given a typebox type: typebox tells its kinds apart by a key that exists only in the types. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it spares every kind below an assertion of its own
function as<T extends TSchema>(schema: KeySchema): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return schema as unknown as T;
}

/** Bytes; written with a unit, such as `200GiB`. */
export function size(options: KeyOptions & Bounds): TUnsafe<number> {
  return as({ type: 'string', unit: 'size', ...options });
}

/** Milliseconds; written with a unit, such as `30s`. */
export function time(options: KeyOptions & Bounds): TUnsafe<number> {
  return as({ type: 'string', unit: 'time', ...options });
}

/** Bytes per second; written as a size, such as `5MiB`. */
export function rate(options: KeyOptions & Bounds): TUnsafe<number> {
  return as({ type: 'string', unit: 'rate', ...options });
}

/** Text of at least one character. */
export function text(options: KeyOptions & { readonly format?: Format; readonly maxLength?: number }): TString {
  return as({ type: 'string', minLength: 1, maxLength: MAX_TEXT, ...options });
}

/** One of a few words. */
export function choice<const Words extends string[]>(words: Words, options: KeyOptions): TEnum<Words> {
  return as({ type: 'string', enum: words, ...options });
}

/** A whole number within bounds. */
export function integer(options: KeyOptions & { readonly minimum: number; readonly maximum: number }): TInteger {
  return as({ type: 'integer', ...options });
}

/** true or false. */
export function flag(options: KeyOptions): TBoolean {
  return as({ type: 'boolean', ...options });
}

/** The given kind, or null for "none". Null is the default. */
export function nullable<T extends TSchema>(schema: T): TUnion<[T, TNull]> {
  const { description, ...inner } = schema as KeySchema;
  return as({ anyOf: [inner, { type: 'null' }], default: null, ...(description === undefined ? {} : { description }) });
}

/** A mapping of known keys. */
export function section<P extends Record<string, TSchema>>(description: string, properties: P): TObject<P> {
  return as({ type: 'object', description, properties, additionalProperties: false });
}

/** A list, in order. */
export function list<T extends TSchema>(
  items: T,
  options: KeyOptions & { readonly minItems?: number; readonly maxItems?: number },
): TArray<T> {
  return as({ type: 'array', items, maxItems: MAX_ITEMS, ...options });
}

/** HTTP headers by name. Their values are secrets as far as problems go. */
export function headerMap(options: KeyOptions): TRecord<string, TString> {
  return as({
    type: 'object',
    additionalProperties: { type: 'string', format: 'header-value', maxLength: MAX_TEXT, secret: true },
    propertyNames: { format: 'header-name' },
    secret: true,
    ...options,
  });
}
