import assert from 'node:assert/strict';
import { test } from 'node:test';
import { negotiateVersion } from '../../../src/imgapi/versions.ts';

const RANGES: readonly (readonly [range: string | undefined, version: 1 | 2 | undefined])[] = [
  [undefined, 1],
  ['~1', 1],
  ['~2', 2],
  ['2', 2],
  ['1', 1],
  ['>=1', 2],
  ['*', 2],
  ['', 2],
  ['x', 2],
  ['~99', undefined],
  ['junk', undefined],
  ['1.0.0', 1],
  ['=1.0.0', 1],
  ['v2', 2],
  ['2.x', 2],
  ['1.0.x', 1],
  ['1.1', undefined],
  ['~1.0', 1],
  ['~1.1', undefined],
  ['~>1', 1],
  ['^1', 1],
  ['^1.0.0', 1],
  ['^1.2', undefined],
  ['^0.9', undefined],
  ['^*', 2],
  ['>1', 2],
  ['>2', undefined],
  ['>1.0.0', 2],
  ['>=2.0.0', 2],
  ['>= 2', 2],
  ['>=2.0.1', undefined],
  ['<2', 1],
  ['<1', undefined],
  ['<=1', 1],
  ['<=2', 2],
  ['<=1.5', 1],
  ['>*', undefined],
  ['<*', undefined],
  ['>=1 <2', 1],
  ['>=1 <=2.0.0', 2],
  ['>1 <2', undefined],
  ['1.0.0 - 1.9', 1],
  ['1 - 2', 2],
  ['~1 || ~2', 2],
  ['~1||~99', 1],
  ['~98 || ~99', undefined],
  ['~1 || junk', undefined],
  ['>=2.0.0-rc.1', 2],
  ['=2.0.0-rc.1', undefined],
  ['<2.0.0-rc.1', 1],
  ['2.0.0+build.5', 2],
  ['~1,~2', undefined],
  ['1.0.0.0', undefined],
  ['01', undefined],
  ['~-1', undefined],
  ['~1 '.repeat(100), undefined],
];

for (const [range, version] of RANGES) {
  const shown = range === undefined ? 'no Accept-Version' : JSON.stringify(range.slice(0, 40));
  test(`answers ${shown} with ${version === undefined ? 'no version' : `v${version}`}`, () => {
    assert.equal(negotiateVersion(range), version);
  });
}
