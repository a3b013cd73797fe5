import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  directionOf,
  firstSort,
  nextSort,
  pageCount,
  readTableQuery,
  tableUrl,
} from '../../../src/page/table-query.ts';

const DEFAULT = { selector: '', sort: '-published', page: 1, perPage: 50 };

test('what is wrong in a query is as if it were not there', () => {
  assert.deepEqual(readTableQuery(undefined), DEFAULT);
  assert.deepEqual(readTableQuery({ sort: 'nmae', page: '0', per: '7', other: 'x' }), DEFAULT);
  assert.deepEqual(readTableQuery({ sort: ['size', 'name'], page: '1e9', per: 'x' }), { ...DEFAULT, sort: 'size' });
  assert.deepEqual(readTableQuery({ page: '1.5', selector: '  name=a  ' }), { ...DEFAULT, selector: 'name=a' });
  assert.deepEqual(readTableQuery({ page: '3', per: '100', sort: '-size', selector: 'x' }), {
    selector: 'x',
    sort: '-size',
    page: 3,
    perPage: 100,
  });
});

test('a URL says what differs from the default, and is read as what it was made from', () => {
  assert.equal(tableUrl(readTableQuery({})), '/_mirror/#images');
  const query = { selector: 'name=a&b "c d"', sort: 'size', page: 4, perPage: 25 };
  const url = new URL(tableUrl(query, { page: 4 }), 'http://mirror.test');
  assert.deepEqual(readTableQuery(Object.fromEntries(url.searchParams)), query);
});

test('another selector or order begins on the first page', () => {
  const query = { selector: 'a', sort: 'size', page: 4, perPage: 50 };
  assert.equal(tableUrl(query, { sort: 'name' }), '/_mirror/?selector=a&sort=name#images');
  assert.equal(tableUrl(query, { selector: 'b' }), '/_mirror/?selector=b&sort=size#images');
});

test('a title sorts by its column, texts from A and everything else from the most, and again the other way round', () => {
  const query = readTableQuery({});
  assert.equal(directionOf(query, 'published'), 'descending');
  assert.equal(nextSort(query, 'published'), 'published');
  assert.equal(nextSort(query, 'name'), 'name');
  assert.equal(nextSort(query, 'size'), '-size');
  assert.equal(nextSort({ ...query, sort: 'name' }, 'name'), '-name');
  assert.equal(directionOf({ ...query, sort: 'name' }, 'name'), 'ascending');
  assert.equal(directionOf(query, 'name'), 'none');
});

test('there is always a page, be it empty', () => {
  assert.deepEqual(
    [0, 1, 50, 51, 5000].map((total) => pageCount(total, readTableQuery({}))),
    [1, 1, 1, 2, 100],
  );
});

test('an order begins with what is mostly wanted first: the most and the newest, but the first of the alphabet', () => {
  const orders = ['name', 'os', 'size', 'published', 'conflict'] as const;
  assert.deepEqual(orders.map(firstSort), ['name', 'os', '-size', '-published', '-conflict']);
});
