/** Every verb: how it is reached over HTTP and what it takes. The API, its description and the command line read this one table. */
import type { FieldSpec } from './fields.ts';
import { UUID_START } from '../selector/selector.ts';
import { LIST_ORDERS, SORT_PATTERN } from './list-order.ts';
import type { Operation, VerbSpec } from './operation.ts';

const MAX_SELECTORS = 1_000;

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
  pattern: new RegExp(UUID_START.source, 'i'),
  format: 'a uuid of 8-4-4-4-12 hexadecimal digits, or its beginning from 8 digits on',
  isRequired: true,
  about: "The image's uuid, or its beginning from 8 digits on, if no other known image's uuid begins so.",
};
function pathField(about: string, isRequired: boolean): FieldSpec {
  return { kind: 'text', maxLength: 4_096, pattern: /^\/[^\0]*$/, format: 'an absolute path', isRequired, about };
}
const BUNDLE = pathField(
  "The bundle, on the mirror's machine: its file, its first volume, or the name its volumes share.",
  true,
);
const TRUST = pathField('An Ed25519 public key in PEM: what it has not signed is refused.', false);
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
      sort: {
        kind: 'text',
        maxLength: 20,
        pattern: SORT_PATTERN,
        format: `one of ${LIST_ORDERS.join(', ')}, or one of them after a -`,
        about: `The order: ${LIST_ORDERS.join(', ')}; with a - before it, the other way round.`,
      },
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
    fields: {
      dryRun: DRY_RUN,
      selectors: {
        ...SELECTORS,
        about:
          'The uuids of the images, or their beginnings from 8 digits on, if no other image in conflict has such a uuid.',
      },
    },
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
  export: {
    method: 'POST',
    path: 'export',
    summary: 'Write images to a bundle',
    fields: {
      selectors: SELECTORS,
      output: pathField("The bundle to write, on the mirror's machine.", true),
      since: pathField('An older bundle: what it has is left out.', false),
      split: { kind: 'integer', min: 1_048_576, max: Number.MAX_SAFE_INTEGER, about: 'Most bytes of a volume.' },
      sign: pathField("An Ed25519 private key in PEM, on the mirror's machine.", false),
      dryRun: DRY_RUN,
    },
  },
  import: {
    method: 'POST',
    path: 'import',
    summary: 'Take the images of a bundle in',
    fields: { bundle: BUNDLE, trust: TRUST, dryRun: DRY_RUN },
  },
  verify: {
    method: 'POST',
    path: 'verify',
    summary: 'Check a bundle without taking anything of it',
    fields: { bundle: BUNDLE, trust: TRUST },
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;

export type Verb = keyof typeof VERBS;

/** The operations by verb, each given input that `readInput` has checked against its fields. */
export type Operations = Readonly<Record<Verb, Operation<Readonly<Record<string, unknown>>, object>>>;

export function isWrite(verb: Verb): boolean {
  return VERBS[verb].method !== 'GET';
}
