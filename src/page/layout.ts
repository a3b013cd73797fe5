/** What all pages have around them. */
import type { AssetUrls } from './assets.ts';
import { news } from './actions.ts';
import { html, type Html } from './html.ts';

/** What the configuration says of all pages, and when one is made. */
export interface PageOptions {
  /** Whether a token is configured, with which something can be changed from a page. */
  readonly hasToken: boolean;
  /** Whether /metrics is served. */
  readonly hasMetrics: boolean;
  /** ms since the epoch. */
  readonly nowMs: number;
}

export interface Surroundings extends Omit<PageOptions, 'hasToken'> {
  readonly version: string;
  readonly assets: AssetUrls;
}

/**
 * A whole document. `state` is how the mirror is, beside its name. The module reads off the document by which clock its times are meant, and whose
 * version it is.
 */
export function documentOf(
  { version, assets, hasMetrics, nowMs }: Surroundings,
  page: { readonly title: string; readonly state: Html; readonly main: Html },
): string {
  const document = html`<!doctype html>
    <html lang="en" data-now="${new Date(nowMs).toISOString()}" data-version="${version}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="same-origin" />
        <title>${page.title}</title>
        <link rel="icon" type="image/svg+xml" href="${assets.icon}" />
        <link rel="stylesheet" href="${assets.style}" />
        ${assets.modules.map((url) => html`<link rel="modulepreload" href="${url}" /> `)}
        <script type="module" src="${assets.script}"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <div class="bar">
            <a class="brand" href="/_mirror/">imgapi-mirror <span class="version">${version}</span></a>
            ${page.state}
            <nav aria-label="Pages">
              <a href="/_mirror/">Overview</a>
              <a href="/_mirror/#images">Images</a>
              <a href="/_mirror/api/openapi.json">API</a>
              ${hasMetrics ? html`<a href="/metrics">Metrics</a>` : ''}
              <a href="/_mirror/setup.sh">Setup</a>
            </nav>
          </div>
          <p class="live" id="live" role="status"></p>
          <p class="live other" id="other-version" role="status"></p>
        </header>
        <main id="main" tabindex="-1">${page.main}</main>
        ${news()}
        <footer class="bottom">
          <noscript>
            <p>
              This is how it was when the page was loaded; reload for news. What changes something is done on the
              command line.
            </p>
          </noscript>
        </footer>
      </body>
    </html> `;
  return document.toString();
}

/** A word in a box; the word says it all, the colour only helps. */
export function badge(kind: 'good' | 'bad' | 'warn' | 'note', text: string): Html {
  return html`<span class="badge ${kind}">${text}</span>`;
}
