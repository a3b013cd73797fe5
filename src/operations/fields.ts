/**
 * The inputs of operations as data: checked by hand-written rules that name the field, and described for openapi.json. They are few
 * and flat; a schema compiler would cost every start more than they do.
 */
import { MirrorError, type FieldError } from '../imgapi/errors.ts';

export type FieldSpec = {
  readonly about: string;
  readonly isRequired?: boolean;
} & (
  | { readonly kind: 'flag' }
  | { readonly kind: 'text'; readonly maxLength: number; readonly pattern?: RegExp; readonly format?: string }
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'texts'; readonly min: number; readonly max: number; readonly maxLength: number }
);

export type FieldSpecs = Readonly<Record<string, FieldSpec>>;

/**
 * Checks a body against its fields. Unknown fields are refused: a misspelt `dryRun` must not become a real run.
 * @throws MirrorError ValidationFailed with one entry in `errors` per wrong field
 */
export function readInput(specs: FieldSpecs, body: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(body)) throw wrong([{ field: 'body', code: 'Invalid', message: 'must be a JSON object' }]);
  const errors: FieldError[] = [];
  for (const field of Object.keys(body)) {
    if (Object.hasOwn(specs, field)) continue;
    const message = `is not known; known: ${Object.keys(specs).join(', ') || 'none'}`;
    errors.push({ field: field.slice(0, 100), code: 'Invalid', message });
  }
  for (const [field, spec] of Object.entries(specs)) {
    const value = body[field];
    if (value === undefined) {
      if (spec.isRequired === true) errors.push({ field, code: 'MissingParameter', message: 'is missing' });
      continue;
    }
    const message = problemOf(spec, value);
    if (message !== undefined) errors.push({ field, code: 'Invalid', message });
  }
  if (errors.length > 0) throw wrong(errors);
  return body;
}

/** The same fields as a JSON schema. */
export function jsonSchemaOf(specs: FieldSpecs): object {
  const required = Object.entries(specs).flatMap(([field, spec]) => (spec.isRequired === true ? [field] : []));
  return {
    type: 'object',
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(Object.entries(specs).map(([field, spec]) => [field, schemaOf(spec)])),
  };
}

function problemOf(spec: FieldSpec, value: unknown): string | undefined {
  switch (spec.kind) {
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
    case 'integer':
      return Number.isInteger(value) && Number(value) >= spec.min && Number(value) <= spec.max
        ? undefined
        : `must be a whole number from ${spec.min} to ${spec.max}`;
    case 'text':
      if (typeof value !== 'string') return 'must be a text';
      if (value.length === 0 || value.length > spec.maxLength) return `must have 1 to ${spec.maxLength} characters`;
      return spec.pattern === undefined || spec.pattern.test(value) ? undefined : `must be ${spec.format ?? 'right'}`;
    case 'texts':
    default:
      return problemOfTexts(spec, value);
  }
}

function problemOfTexts({ min, max, maxLength }: FieldSpec & { kind: 'texts' }, value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'must be a list of texts';
  if (value.length < min) return `must have at least ${min} ${min === 1 ? 'entry' : 'entries'}`;
  if (value.length > max) return `must have at most ${max} entries`;
  const at = value.findIndex((entry) => typeof entry !== 'string' || entry.length === 0 || entry.length > maxLength);
  return at === -1 ? undefined : `entry ${at} must be a text of 1 to ${maxLength} characters`;
}

function schemaOf(spec: FieldSpec): object {
  const description = spec.about;
  switch (spec.kind) {
    case 'flag':
      return { type: 'boolean', description };
    case 'integer':
      return { type: 'integer', minimum: spec.min, maximum: spec.max, description };
    case 'text': {
      const pattern = spec.pattern === undefined ? {} : { pattern: spec.pattern.source };
      return { type: 'string', minLength: 1, maxLength: spec.maxLength, ...pattern, description };
    }
    case 'texts':
    default: {
      const items = { type: 'string', minLength: 1, maxLength: spec.maxLength };
      return { type: 'array', minItems: spec.min, maxItems: spec.max, items, description };
    }
  }
}

function wrong(errors: readonly FieldError[]): MirrorError {
  const text = errors.map(({ field, message }) => `${field} ${message ?? 'is wrong'}`).join('; ');
  return new MirrorError('ValidationFailed', text, { errors });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
