/** Every verb: how it is reached over HTTP and what it takes. The API, its description and the command line read this one table. */
import type { FieldSpec } from './fields.ts';
import type { Operation, VerbSpec } from './operation.ts';

const MAX_SELECTORS = 1_000;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

const SELECTORS: FieldSpec = {
  kind: 'texts',
  min: 1,
  max: MAX_SELECTORS,
  maxLength: 1_000,
  isRequired: true,
  about: 'Which images: the terms of one selector must all hold; an image is taken if any of the selectors holds.',
};
const UUID_FIELD: FieldSpec = {
  kind: 'text',
  maxLength: 36,
  pattern: UUID,
  format: 'a uuid of 8-4-4-4-12 hexadecimal digits',
  isRequired: true,
  about: "The image's uuid.",
};
const DRY_RUN: FieldSpec = { kind: 'flag', about: 'Say what would be done and do nothing.' };

export const VERBS = {
  status: { method: 'GET', path: 'status', summary: 'What the mirror is, has and does', fields: {} },
  list: {
    method: 'GET',
    path: 'images',
    summary: 'The images that are known',
    fields: {
      selectors: { ...SELECTORS, min: 0, isRequired: false },
      limit: { kind: 'integer', min: 1, max: 10_000, about: 'Most images in the answer.' },
      offset: { kind: 'integer', min: 0, max: 1_000_000, about: 'How many to leave out first.' },
    },
  },
  show: {
    method: 'GET',
    path: 'images/:uuid',
    summary: 'All that is known of one image',
    fields: { uuid: UUID_FIELD },
  },
  downloads: { method: 'GET', path: 'downloads', summary: 'The running downloads', fields: {} },
  prefetch: {
    method: 'POST',
    path: 'prefetch',
    summary: 'Fetch images before anybody asks for them',
    fields: { selectors: SELECTORS, dryRun: DRY_RUN },
  },
  pin: {
    method: 'POST',
    path: 'pins',
    summary: 'Keep images, and all they rest on, from eviction',
    fields: { selectors: SELECTORS, dryRun: DRY_RUN },
  },
  unpin: {
    method: 'DELETE',
    path: 'pins',
    summary: 'Let eviction take images again',
    fields: { selectors: SELECTORS, dryRun: DRY_RUN },
  },
  evict: {
    method: 'POST',
    path: 'evict',
    summary: 'Remove the files of images now',
    fields: { selectors: SELECTORS, dryRun: DRY_RUN },
  },
  accept: {
    method: 'POST',
    path: 'accept',
    summary: 'Take what an upstream now says of images in place of what is remembered',
    fields: { dryRun: DRY_RUN, selectors: { ...SELECTORS, about: 'The uuids of the images.' } },
  },
  refresh: {
    method: 'POST',
    path: 'refresh',
    summary: 'Ask the upstreams for their lists now, and forget what they did not have',
    fields: { accept: { kind: 'flag', about: 'Also take a list that is much shorter than the last one.' } },
  },
  scrub: {
    method: 'POST',
    path: 'scrub',
    summary: 'Read everything stored again now, and fetch anew what has rotted',
    fields: {},
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;

export type Verb = keyof typeof VERBS;

/** The operations by verb, each given input that `readInput` has checked against its fields. */
export type Operations = Readonly<Record<Verb, Operation<Readonly<Record<string, unknown>>, object>>>;

export function isWrite(verb: Verb): boolean {
  return VERBS[verb].method !== 'GET';
}
