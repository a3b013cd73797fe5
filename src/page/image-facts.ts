/** What a manifest says of its image, for people. Nothing of it can be relied on to be of any type. */
import { textOf } from '../imgapi/image-filter.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import type { ShownImage } from '../operations/show.ts';
import { html, linesHtml, type Html } from './html.ts';
import { ago, bytesText, clipped, countText } from './wording.ts';

/** Longer descriptions are folded; so many characters of them are seen then. */
const FOLD_ABOVE = 400;
const CLIP_AT = 200;
/** Of tags and of requirements. */
const MAX_PAIRS = 50;

export function facts(image: ShownImage, nowMs: number): Html {
  const { manifest } = image;
  const rows: readonly (readonly [string, Html | string])[] = [
    ['OS', image.os],
    ['Type', image.type],
    ['Published', image.publishedAt],
    ['Size', bytesText(image.size)],
    ['Last used', html`<span id="image-used" data-swap>${ago(image.lastUsedAt, nowMs)}</span>`],
    ['Listed', image.listed ? 'yes' : 'no: it is in no list, and served by uuid'],
    ['Channels', Array.isArray(manifest['channels']) ? manifest['channels'].map(textFor).join(', ') : ''],
    ['Owner', textOf(manifest['owner']) ?? ''],
    ['Homepage', homepage(manifest)],
    ['Tags', pairs(manifest['tags'])],
    ['Requirements', pairs(manifest['requirements'])],
    ['About', about(textOf(manifest['description']) ?? '')],
  ];
  return html`<dl class="facts">
    ${rows
      .filter(([, value]) => String(value) !== '')
      .map(
        ([key, value]) =>
          html`<div>
            <dt>${key}</dt>
            <dd>${value}</dd>
          </div> `,
      )}
  </dl>`;
}

/** Its icon, from this mirror, where the manifest says that there is one. */
export function icon({ uuid, manifest }: ShownImage): Html {
  return manifest['icon'] === true ? html`<img class="icon" src="/images/${uuid}/icon" alt="" />` : html``;
}

/** A link where it leads to the web, text where it would do anything else. */
function homepage({ homepage: given }: ManifestJson): Html | string {
  const text = textOf(given) ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return text;
  return html`<a href="${url.href}" rel="noopener noreferrer">${url.href}</a>`;
}

function about(description: string): Html {
  const lines = linesHtml(description);
  if (description.length <= FOLD_ABOVE) return description === '' ? html`` : html`<div class="lines">${lines}</div>`;
  return html`<details>
    <summary>
      <span class="folded lines">${linesHtml(clipped(description, CLIP_AT))}</span><span class="fold">Less</span>
    </summary>
    <div class="lines">${lines}</div>
  </details>`;
}

/** `min_ram: 512`, of an object; what is nested is shown as JSON. */
function pairs(value: unknown): Html | string {
  if (typeof value !== 'object' || value === null) return '';
  const all = Object.entries(value);
  if (all.length === 0) return '';
  return html`<ul class="pairs">
    ${all.slice(0, MAX_PAIRS).map(([key, one]) => html`<li>${key}: ${textFor(one)}</li> `)}${
      all.length > MAX_PAIRS ? html`<li>and ${countText(all.length - MAX_PAIRS)} more: see the manifest</li>` : ''
    }
  </ul>`;
}

function textFor(value: unknown): string {
  return textOf(value) ?? JSON.stringify(value);
}
