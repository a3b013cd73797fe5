/** What the table of images is asked to show, from and to the query of its URL. PURE. */
import { LIST_ORDERS, SORT_PATTERN, type ListOrder } from '../operations/list-order.ts';

export interface TableQuery {
  /** As it was typed; empty: every image. */
  readonly selector: string;
  readonly sort: string;
  /** From 1. */
  readonly page: number;
  readonly perPage: number;
}

export const PER_PAGE = [25, 50, 100] as const;
const DEFAULTS: TableQuery = { selector: '', sort: '-published', page: 1, perPage: 50 };
const MAX_PAGE = 10_000;

/** Never fails: what is wrong in a URL that somebody has edited is as if it were not there. A selector is not looked at. */
export function readTableQuery(query: unknown): TableQuery {
  const fields: Readonly<Record<string, unknown>> = typeof query === 'object' && query !== null ? { ...query } : {};
  const sort = textIn(fields['sort']);
  const page = Number(textIn(fields['page']));
  const perPage = Number(textIn(fields['per']));
  return {
    selector: textIn(fields['selector']).trim(),
    sort: SORT_PATTERN.test(sort) ? sort : DEFAULTS.sort,
    page: Number.isInteger(page) && page >= 1 && page <= MAX_PAGE ? page : DEFAULTS.page,
    perPage: PER_PAGE.find((known) => known === perPage) ?? DEFAULTS.perPage,
  };
}

/** The URL of the table as it is, with some of it changed. Without a word about the page it is the first one. */
export function tableUrl(query: TableQuery, change: Partial<TableQuery> = {}): string {
  const { selector, sort, page, perPage } = { ...query, page: 1, ...change };
  const params = new URLSearchParams();
  if (selector !== DEFAULTS.selector) params.set('selector', selector);
  if (sort !== DEFAULTS.sort) params.set('sort', sort);
  if (perPage !== DEFAULTS.perPage) params.set('per', String(perPage));
  if (page !== DEFAULTS.page) params.set('page', String(page));
  const text = params.toString();
  return `/_mirror/${text === '' ? '' : `?${text}`}#images`;
}

/** Which way a column is sorted now. */
export function directionOf({ sort }: TableQuery, order: ListOrder): 'ascending' | 'descending' | 'none' {
  if (sort === order) return 'ascending';
  return sort === `-${order}` ? 'descending' : 'none';
}

/** The columns that begin with the most: the others begin with the least. */
const MOST_FIRST: ReadonlySet<ListOrder> = new Set(
  LIST_ORDERS.filter((order) => !['name', 'version', 'os', 'type'].includes(order)),
);

/** The way round that an order is mostly wanted. */
export function firstSort(order: ListOrder): string {
  return MOST_FIRST.has(order) ? `-${order}` : order;
}

/** What a click on a column's title sorts by. */
export function nextSort(query: TableQuery, order: ListOrder): string {
  const direction = directionOf(query, order);
  if (direction === 'none') return firstSort(order);
  return direction === 'ascending' ? `-${order}` : order;
}

export function pageCount(total: number, { perPage }: TableQuery): number {
  return Math.max(1, Math.ceil(total / perPage));
}

/** The first of several: a form sends one. */
function textIn(value: unknown): string {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first : '';
}
