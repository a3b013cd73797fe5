/** What is being fetched: the first of it, as the events tell it too. */
import { MOST_DOWNLOADS, type RunningDownload } from '../operations/downloads.ts';
import { html, type Html } from './html.ts';
import { bytesText, counted, countText } from './wording.ts';

export function downloadSection(running: readonly RunningDownload[]): Html {
  return html`<section aria-labelledby="h-downloads">
    <h2 id="h-downloads">Running downloads <small data-live="running">${countText(running.length)}</small></h2>
    <div class="bounded" role="region" aria-label="List of running downloads" tabindex="0">
      <ul class="downloads" id="downloads" data-most="${MOST_DOWNLOADS}" ${running.length === 0 ? html` hidden` : ''}>
        ${running.slice(0, MOST_DOWNLOADS).map(download)}
      </ul>
      <p class="empty" id="no-downloads" ${running.length === 0 ? '' : html` hidden`}>Nothing is being fetched.</p>
    </div>
    <p class="empty" id="more-downloads" ${running.length > MOST_DOWNLOADS ? '' : html` hidden`}>
      and <span data-live="more">${countText(Math.max(0, running.length - MOST_DOWNLOADS))}</span> more
    </p>
  </section>`;
}

/** The module makes the same of what the events tell. */
function download(running: RunningDownload): Html {
  const { sha1, image, size, received } = running;
  const name = image === null ? '' : `${image.name} ${image.version}`.trim();
  const label = name === '' ? (image?.uuid ?? sha1) : name;
  return html`<li data-key="${keyOf(running)}">
    ${
      image === null
        ? html`<span class="what clamp" title="${label}">${label}</span>`
        : html`<a class="what clamp" title="${label}" href="/_mirror/images/${image.uuid}">${label}</a>`
    }
    <span class="how">${howText(running)}</span>
    <progress max="${size}" value="${received}" aria-label="${label}"></progress>
    <span class="much">${bytesText(received)} of ${bytesText(size)}</span>
  </li> `;
}

/** A file can be fetched and passed through at once. */
export function keyOf({ sha1, passedThrough }: Pick<RunningDownload, 'sha1' | 'passedThrough'>): string {
  return `${sha1}${passedThrough ? '-passed' : ''}`;
}

export function howText({
  priority,
  followers,
  passedThrough,
}: Pick<RunningDownload, 'priority' | 'followers' | 'passedThrough'>): string {
  if (priority === 'prefetch') return 'prefetch';
  return `${counted(followers, 'follower')}${passedThrough ? ', passed through' : ''}`;
}
