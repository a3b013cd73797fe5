/** The operator's pages, made of what the operations say: the API and the command line say the same. */
import { MirrorError } from '../imgapi/errors.ts';
import { isImageUuid } from '../imgapi/ids.ts';
import { readInput } from '../operations/fields.ts';
import { inTime } from '../operations/in-time.ts';
import type { OperationContext } from '../operations/operation.ts';
import { resultOf, type Results } from '../operations/results.ts';
import { VERBS, type Operations } from '../operations/verbs.ts';
import { loadAssets, type Asset, type Assets } from './assets.ts';
import { html } from './html.ts';
import { imagePage } from './image-page.ts';
import { imageSection, type TableContent } from './image-table.ts';
import { badge, documentOf, type PageOptions } from './layout.ts';
import { overview, stateOf } from './overview.ts';
import { readTableQuery, type TableQuery } from './table-query.ts';

export interface PageDeps {
  readonly operations: Pick<Operations, 'status' | 'list' | 'show'>;
  readonly version: string;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** What of the configuration the pages show. */
export type PageSettings = Omit<PageOptions, 'nowMs'>;

export interface RenderedPage {
  readonly status: number;
  /** The whole document. */
  readonly text: string;
}

export interface Page {
  /** Savings, downloads, disk, upstreams, and the table of images as the query asks for it. */
  overview(query: unknown, signal: AbortSignal): Promise<RenderedPage>;
  /** One image, or why it cannot be shown. */
  image(uuid: string, signal: AbortSignal): Promise<RenderedPage>;
  /** Undefined: there is no such file. */
  asset(hash: string, name: string): Promise<(Asset & { readonly etag: string }) | undefined>;
}

/** How long a page waits for its table: at the start lists and the count of the store may be late. */
const TABLE_WAIT_MS = 2_000;
const NOT_YET = { problem: 'The images are not known yet: reload in a moment.', status: 200 };

export function createPage({ operations, version, now }: PageDeps, settings: PageSettings): Page {
  let loading: Promise<Assets> | undefined;

  /** Read when first needed; what failed is tried again. */
  async function assets(): Promise<Assets> {
    loading ??= loadAssets();
    try {
      return await loading;
    } catch (error) {
      loading = undefined;
      throw error;
    }
  }

  async function ask<V extends 'status' | 'list' | 'show'>(
    verb: V,
    fields: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Results[V]> {
    const context: OperationContext = { signal, onEvent() {} };
    return resultOf(verb, await operations[verb].run(readInput(VERBS[verb].fields, fields), context));
  }

  /** The table is a part of a page that has more to say: what is wrong with it is said in its place. */
  async function tableContent(query: TableQuery, signal: AbortSignal): Promise<TableContent & { status: number }> {
    const { selector, sort, page, perPage } = query;
    const selectors = selector === '' ? [] : [selector];
    try {
      const list = await ask('list', { selectors, sort, limit: perPage, offset: (page - 1) * perPage }, signal);
      return { list, status: 200 };
    } catch (error) {
      if (!(error instanceof MirrorError)) throw error;
      // What is wrong with the upstreams or the disk is no fault of this page.
      return { problem: error.message, status: error.statusCode < 500 ? error.statusCode : 200 };
    }
  }

  return {
    async overview(queryFields, signal) {
      const query = readTableQuery(queryFields);
      const [{ urls }, status, content] = await Promise.all([
        assets(),
        ask('status', {}, signal),
        inTime<Awaited<ReturnType<typeof tableContent>>>(tableContent(query, signal), TABLE_WAIT_MS, NOT_YET),
      ]);
      const options = { ...settings, nowMs: now() };
      const main = html`${overview(status, options)} ${imageSection(query, content, options)}`;
      const around = { ...options, version, assets: urls };
      const text = documentOf(around, { title: 'imgapi-mirror', state: stateOf(status), main });
      return { status: content.status, text };
    },

    async image(uuid, signal) {
      const { urls } = await assets();
      const options = { ...settings, nowMs: now() };
      const around = { ...options, version, assets: urls };
      try {
        const lower = uuid.toLowerCase();
        if (!isImageUuid(lower)) throw new MirrorError('ResourceNotFound', `${JSON.stringify(uuid)} is no uuid`);
        const [image, status] = await Promise.all([ask('show', { uuid: lower }, signal), ask('status', {}, signal)]);
        const title = `${image.name} ${image.version} – imgapi-mirror`;
        const main = imagePage(image, status, options);
        return { status: 200, text: documentOf(around, { title, state: stateOf(status), main }) };
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        const { statusCode, code, message } = error;
        const main = html`<h1>${statusCode === 404 ? 'No such image' : 'It cannot be shown'}</h1>
          <p class="problem-note" role="alert">${message} (${code})</p>
          <p><a href="/_mirror/#images">All images</a></p>`;
        const state = html`<span class="state" id="state" role="status" data-swap>${badge('note', 'error')}</span>`;
        return { status: statusCode, text: documentOf(around, { title: 'imgapi-mirror', state, main }) };
      }
    },

    async asset(hash, name) {
      const { etag, get } = await assets();
      const found = get(hash, name);
      return found === undefined ? undefined : { ...found, etag };
    },
  };
}
