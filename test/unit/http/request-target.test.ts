import assert from 'node:assert/strict';
import { test } from 'node:test';
import { targetPath } from '../../../src/http/request-target.ts';

const CASES: readonly (readonly [string, string])[] = [
  ['/images', '/images'],
  ['/images?name=a&x=http://b/', '/images?name=a&x=http://b/'],
  ['http://other.host/images?limit=1', '/images?limit=1'],
  ['https://user:pw@other.host:8443/images/u/file', '/images/u/file'],
  ['HTTP://OTHER/ping', '/ping'],
  ['http://other.host', '/'],
  ['http://other.host?x=1', '/?x=1'],
  ['http://[::1]:80/ping', '/ping'],
  ['/datasets/http://x/', '/datasets/http://x/'],
  ['*', '/*'],
  ['other.host:443', '/other.host:443'],
  ['', '/'],
];

for (const [target, expected] of CASES) {
  test(`the request target ${JSON.stringify(target)} asks for ${expected}`, () => {
    assert.equal(targetPath(target), expected);
  });
}

test('a path that looks like an authority stays a path: it is not resolved to another one', () => {
  assert.equal(targetPath('//other.host/ping'), '//other.host/ping');
});
