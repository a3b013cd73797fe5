import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { createRedirectRule } from '../../../src/upstream/redirect-rule.ts';

const rule = createRedirectRule({
  name: 'up',
  url: 'https://images.example.com/base',
  allowRedirectsTo: ['https://cdn.example.com', 'http://plain.example.com'],
});
const from = new URL('https://images.example.com/images/x/file');

test('a redirect within the origin, or to an allowed one, is followed', () => {
  assert.equal(rule(from, '/other?x=1', 1).href, 'https://images.example.com/other?x=1');
  assert.equal(rule(from, 'https://cdn.example.com/f', 3).href, 'https://cdn.example.com/f');
});

test('what a refused redirect says of where it leads has no credentials and no query', () => {
  for (const location of [
    'https://user:sesame@evil.example.com/f?signature=sesame',
    '//sesame@evil.example.com/f#sesame',
    'https://us@er:sesame@evil.example.com/f',
    // Of URLs such as these, backslashes are slashes, and what is missing comes from where it leads from.
    String.raw`https:\\user:sesame@evil.example.com\f?sesame`,
    String.raw`\\user:sesame@evil.example.com/f`,
    'http:/user:sesame@evil.example.com/f',
    ' https://user:sesame@evil.example.com/f',
    'ht\ntps://user:sesame@evil.example.com/f',
  ]) {
    assert.throws(
      () => rule(from, location, 1),
      ({ message }: Error) => /evil\.example\.com\/f/.test(message) && !message.includes('sesame'),
    );
  }
});

test('nor where it leads is no URL, or no http', () => {
  for (const [location, shown] of [
    ['https://user:sesame@evil.example.com:99999/f', 'text with an @'],
    ['https://user:sesame?@evil.example.com/f', 'text with an @'],
    ['https://evil.example.com:99999/f?sesame@sesame', 'text with an @'],
    ['https://evil.example.com:99999/f?sesame', '"https://evil.example.com:99999/f"'],
    ['mailto:user:sesame@evil.example.com', '"mailto:"'],
    ['blob:https://user:sesame@evil.example.com/f', '"blob:"'],
    ['ftp://user:sesame@evil.example.com/f', '"ftp:"'],
  ] as const) {
    assert.throws(
      () => rule(from, location, 1),
      ({ message }: Error) => message.includes(` to ${shown}: `) && !message.includes('sesame'),
      location,
    );
  }
});

for (const [why, location, hops] of [
  ['another origin', 'https://evil.example.com/', 1],
  ['another port', 'https://images.example.com:8443/', 1],
  ['https to http, though the origin is allowed', 'http://plain.example.com/', 1],
  ['no http at all', 'file:///etc/passwd', 1],
  ['credentials', 'https://user:pass@images.example.com/', 1],
  ['no Location', undefined, 1],
  ['a fourth hop', '/again', 4],
] as const) {
  test(`a redirect is refused: ${why}`, () => {
    assert.throws(
      () => rule(from, location, hops),
      (error) =>
        error instanceof MirrorError && error.code === 'UpstreamUnavailable' && error.message.includes('redirected'),
    );
  });
}
