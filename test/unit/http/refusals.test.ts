import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalFor } from '../../../src/http/refusals.ts';

const UUID = '11111111-1111-4111-8111-111111111111';

test('writes on image paths are 401, as a public image server says without credentials', () => {
  const paths = ['/images', '/images?action=import', `/images/${UUID}?action=import`, `/images/${UUID}/file?sha1=x`];
  for (const path of [
    ...paths,
    `/images/${UUID}/icon`,
    `/images/${UUID}/acl`,
    `/images/${UUID}/channels`,
    '/images/junk',
  ]) {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      assert.equal(refusalFor(method, path).code, 'UnauthorizedError', `${method} ${path}`);
    }
  }
});

test('other methods on paths we have are 405', () => {
  for (const path of [
    '/ping',
    '/ping?error=x',
    '/channels',
    '/images',
    `/images/${UUID}`,
    '/metrics',
    '/_mirror/health',
    '/_mirror/ready',
    '/_mirror/',
    `/_mirror/images/${UUID}`,
    '/_mirror/assets/0123456789abcdef/page.css',
  ]) {
    for (const method of ['PATCH', 'OPTIONS', 'PROPFIND']) {
      const { code, statusCode, message } = refusalFor(method, path);
      assert.deepEqual([code, statusCode, message], ['MethodNotAllowedError', 405, `${method} is not allowed`]);
    }
  }
  for (const path of ['/ping', '/channels', '/metrics']) {
    assert.equal(refusalFor('POST', path).code, 'MethodNotAllowedError', path);
  }
});

test('paths we do not have are 404 with the url, trailing slashes and escapes included', () => {
  for (const url of [
    '/',
    '/nothing',
    '/images/',
    '/ping/',
    `/images/${UUID}/`,
    `/images/${UUID}/jobs`,
    '/Images',
    '/%',
    '//ping',
  ]) {
    for (const method of ['GET', 'HEAD', 'POST', 'PATCH']) {
      const { code, message } = refusalFor(method, url);
      assert.deepEqual([code, message], ['ResourceNotFound', `${url} does not exist`], `${method} ${url}`);
    }
  }
});

test('a question mark or a hash ends the path, whatever follows it', () => {
  assert.equal(refusalFor('POST', '/images?a=\n/../x').code, 'UnauthorizedError');
  assert.equal(refusalFor('PATCH', '/ping#/images').code, 'MethodNotAllowedError');
});
