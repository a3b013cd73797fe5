/** The description of the API (OpenAPI 3.1), made of the table of verbs. */
import { PRODUCT } from '../config/product.ts';
import { jsonSchemaOf } from '../operations/fields.ts';
import type { VerbSpec } from '../operations/operation.ts';
import { VERBS } from '../operations/verbs.ts';
import { API, EVENTS_URL } from './api-paths.ts';

export function openapi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [verb, spec] of Object.entries<VerbSpec>(VERBS)) {
    const path = `${API}/${spec.path.replace(/:(\w+)/, '{$1}')}`;
    paths[path] = { ...paths[path], [spec.method.toLowerCase()]: operationOf(verb, spec) };
  }
  paths[EVENTS_URL] = { get: EVENTS };
  return {
    openapi: '3.1.0',
    info: { title: PRODUCT.name, version: PRODUCT.version, description: 'What an operator can ask of a mirror.' },
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: ERROR },
    },
  };
}

const EVENTS = {
  operationId: 'events',
  summary: 'The status at once, and again whenever it has changed',
  responses: {
    200: {
      description:
        'Events named `status`: the status, of its downloads the first 20, and `running`: how many there are',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    },
    503: { description: 'Too many listen already, or the mirror is stopping' },
  },
};

const ERROR = {
  type: 'object',
  required: ['code', 'message'],
  properties: {
    code: { type: 'string' },
    message: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { field: { type: 'string' }, code: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

function operationOf(verb: string, spec: VerbSpec): object {
  const isRead = spec.method === 'GET';
  const result = { 'application/json': { schema: { type: 'object' } } };
  const lines = { 'application/x-ndjson': { schema: { type: 'string' } } };
  return {
    operationId: verb,
    summary: spec.summary,
    ...(isRead ? { parameters: parametersOf(spec) } : {}),
    ...(isRead
      ? {}
      : {
          security: [{ token: [] }],
          requestBody: { required: true, content: { 'application/json': { schema: jsonSchemaOf(spec.fields) } } },
        }),
    responses: {
      200: { description: 'Done', content: isRead ? result : { ...result, ...lines } },
      ...(isRead ? {} : { 202: { description: 'Begun (Prefer: respond-async)' } }),
      default: {
        description: 'Not done',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function parametersOf(spec: VerbSpec): readonly object[] {
  return Object.entries(spec.fields).map(([field, { about, kind }]) => {
    const isPath = spec.path.includes(`:${field}`);
    return {
      // Lists are given by repeating the singular.
      name: kind === 'texts' ? field.replace(/s$/, '') : field,
      in: isPath ? 'path' : 'query',
      required: isPath,
      description: about,
      schema:
        kind === 'integer'
          ? { type: 'integer' }
          : kind === 'texts'
            ? { type: 'array', items: { type: 'string' } }
            : { type: 'string' },
    };
  });
}
