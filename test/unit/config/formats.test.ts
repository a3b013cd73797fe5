import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFormat, type Format } from '../../../src/config/formats.ts';

function accepts(format: Format, text: string): boolean {
  return 'value' in checkFormat(format, text);
}

test('takes http and https base URLs and drops the slash at their end', () => {
  assert.deepEqual(checkFormat('http-url', 'https://images.example.com'), { value: 'https://images.example.com' });
  assert.deepEqual(checkFormat('http-url', 'HTTP://Images.Example.com:8080/base//'), {
    value: 'http://images.example.com:8080/base',
  });
  assert.deepEqual(checkFormat('http-url', 'http://[::1]:80/'), { value: 'http://[::1]' });
});

test('refuses URLs that are more or less than a base', () => {
  const refused = [
    '',
    'images.example.com',
    'ftp://h',
    'file:///x',
    'https:h',
    'https:///h',
    'https://h\\x',
    'https://h/a b',
    'https://h\n',
  ];
  for (const text of [
    ...refused,
    'https://u@h',
    'https://u:p@h',
    'https://h/?q',
    'https://h?',
    'https://h/#f',
    'http://h:99999',
  ]) {
    assert.equal(accepts('http-url', text), false, JSON.stringify(text));
  }
});

test('sends credentials in a URL to the header they belong in', () => {
  const checked = checkFormat('http-url', 'https://user:pass@h');
  assert.match('wants' in checked ? checked.wants : '', /headers\.Authorization/);
});

test('takes the URL of a collector, and refuses what is none with advice that is of use for one', () => {
  assert.deepEqual(checkFormat('collector-url', 'http://collector:4318/v1/traces'), {
    value: 'http://collector:4318/v1/traces',
  });
  assert.deepEqual(checkFormat('collector-url', 'https://user:pass@h'), {
    wants: 'a URL without credentials (headers come from the variable OTEL_EXPORTER_OTLP_HEADERS)',
  });
  assert.deepEqual(checkFormat('collector-url', 'https://h/?a=b'), { wants: 'a URL without query or fragment' });
  assert.deepEqual(checkFormat('collector-url', 'collector:4318'), { wants: 'an http:// or https:// URL' });
});

test('takes addresses and host names to listen on, without ports', () => {
  for (const text of ['0.0.0.0', '::', '::1', 'localhost', 'mirror-1.example.com'])
    assert.ok(accepts('host', text), text);
  for (const text of ['a:80', '[::1]', 'http://a', '-a', 'a b', '', '300.1.1.1', '10.0.0', '8080'])
    assert.equal(accepts('host', text), false, text);
});

test('takes names that are safe as a label of a metric, and keeps "imported" for itself', () => {
  for (const text of ['smartos', 'a', '0::1', 'images.example.com:8443', 'my_mirror-2'])
    assert.ok(accepts('upstream-name', text), text);
  for (const text of ['', '-a', '.a', 'a b', 'a/b', 'a"b', 'é', 'a'.repeat(65), 'Imported']) {
    assert.equal(accepts('upstream-name', text), false, text);
  }
});

test('refuses headers that the mirror sets itself, or that no header can be called', () => {
  for (const text of ['Authorization', 'X-Site', 'cookie']) assert.ok(accepts('header-name', text), text);
  for (const text of ['Host', 'RANGE', 'content-length', 'X-Request-Id', 'a b', 'a:', '', 'é']) {
    assert.equal(accepts('header-name', text), false, text);
  }
});

test('refuses values that would split or be lost in a header', () => {
  for (const text of ['Bearer abc', '', 'a\tb', '"x"; y=1']) assert.ok(accepts('header-value', text), text);
  for (const text of ['a\r\nb', 'a\n', ' a', 'a ', 'é', 'a\0'])
    assert.equal(accepts('header-value', text), false, JSON.stringify(text));
});

test('takes the two words or a URL for a proxy', () => {
  for (const text of ['env', 'none', 'http://proxy:3128', 'http://u:p@proxy:3128/'])
    assert.ok(accepts('proxy', text), text);
  for (const text of ['proxy:3128', 'socks5://proxy', 'http://proxy/path', 'yes'])
    assert.equal(accepts('proxy', text), false, text);
});

test('takes hours and days as a schedule needs them', () => {
  assert.ok(accepts('begin-time', '00:00') && accepts('end-time', '24:00') && accepts('time-window', '22:00-06:00'));
  assert.ok(accepts('days', 'mon-fri') && accepts('days', 'sat,sun'));
  assert.equal(accepts('begin-time', '24:00'), false);
  for (const text of ['', '8', '25:00', 'noon']) {
    for (const format of ['begin-time', 'end-time', 'time-window'] as const) assert.equal(accepts(format, text), false);
  }
  for (const text of ['', 'monday', '1-5', 'all']) assert.equal(accepts('days', text), false, text);
});
