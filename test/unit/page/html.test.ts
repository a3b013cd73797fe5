import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { html, linesHtml } from '../../../src/page/html.ts';

test('whatever a value is, it is text: in elements and in quoted attributes', () => {
  const hostile = `<script>alert("1" + '2' + \`3\`)</script> & more`;
  const escaped = '&lt;script&gt;alert(&quot;1&quot; + &#39;2&#39; + &#96;3&#96;)&lt;/script&gt; &amp; more';
  assert.equal(String(html`<p title="${hostile}">${hostile}</p>`), `<p title="${escaped}">${escaped}</p>`);
});

test('no text can end an element, an attribute or a comment, or hold a control character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = String(html`${text}`);
      assert.doesNotMatch(shown, /[<>"'`]/);
      assert.doesNotMatch(shown, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
      assert.doesNotMatch(shown, /&(?!(?:amp|lt|gt|quot|#39|#96);)/);
    }),
  );
});

test('control and direction characters are shown, not sent', () => {
  assert.equal(String(html`${'a\u0000b\u001b[31m\u202ec\nd'}`), String.raw`a\u0000b\u001b[31m\u202ec\u000ad`);
});

test('markup goes in as it is, lists one after the other, and what is not there is nothing', () => {
  const items = ['<a>', '<b>'].map((name) => html`<i>${name}</i>`);
  assert.equal(String(html`${items}${null}${undefined}${false}${0}`), '<i>&lt;a&gt;</i><i>&lt;b&gt;</i>0');
});

test('only the ends of lines stay what they are in text of several lines', () => {
  assert.equal(String(linesHtml('<a>\nb\rc')), '&lt;a&gt;\nb\\u000dc');
});
