/** What can be done: when it is asked about first, what is said of it, and what becomes of it when it is stopped. Texts, no page. */
import { bytesText, counted, countText, plain } from './words.js';

const names = (images) => {
  const shown = images.slice(0, 5).map(({ name, version, uuid }) => plain(`${name} ${version}`.trim() || uuid));
  return shown.join(', ') + (images.length > 5 ? ` and ${countText(images.length - 5)} more` : '');
};
const listed = (title, images = []) => (images.length === 0 ? [] : [`${title}: ${names(images)}`]);
const fileOf = ({ sha1, upstream }) => `${sha1 ?? 'no file'} (${plain(upstream)})`;

/** The most rows of a page: what was ticked was seen, what a selector selects beyond that was not. */
const SEEN = 100;

/**
 * `count`: images that a dry run would change; more than `free` of them are asked about first. `lines`: what a result says.
 * `stopped`: what is so after it was stopped; without it, it cannot be.
 */
export const VERBS = {
  pin: {
    count: ({ pinned }) => pinned.length,
    free: SEEN,
    lines: ({ pinned, already, origins }) => [
      ...listed('Pinned', pinned),
      ...listed('Pinned before', already),
      ...listed('Held with them', origins),
    ],
  },
  unpin: {
    count: ({ unpinned }) => unpinned.length,
    free: 1,
    lines: ({ unpinned, notPinned, stillHeld }) => [
      ...listed('Unpinned', unpinned),
      ...listed('Not pinned', notPinned),
      ...listed('Held all the same', stillHeld),
    ],
  },
  prefetch: {
    count: ({ plan }) => plan.images,
    free: 0,
    stopped: 'What has been fetched stays, and the next prefetch goes on from there.',
    lines: ({ dryRun, plan, fetched, already, failed, lackingOrigin }) => [
      ...listed('Left out, as an origin of theirs cannot be had', lackingOrigin),
      ...(dryRun
        ? [
            `${counted(plan.images, 'image')}, ${counted(plan.files, 'file')}, ${bytesText(plan.bytes)} to fetch; ${counted(plan.presentImages, 'image')} there already.`,
            ...(plan.evictBytes > 0 ? [`Evicts ${bytesText(plan.evictBytes)} to make room.`] : []),
            ...(plan.fits ? [] : ['It does not fit on the disk.']),
            'Leaving this page stops it; what has been fetched stays.',
          ]
        : [
            ...listed('Fetched', fetched),
            ...listed('There already', already),
            ...failed.map((image) => `Failed: ${names([image])}: ${plain(image.reason)}`),
            ...(plan.images === 0 ? ['Nothing was missing.'] : []),
          ]),
    ],
    isWrong: ({ failed }) => failed.length > 0,
  },
  evict: {
    count: ({ evicted }) => evicted.length,
    free: 0,
    stopped: 'What was evicted before is gone.',
    lines: ({ dryRun, evicted, bytes, kept, notCached }) => [
      ...listed(dryRun ? 'Goes' : 'Evicted', evicted),
      ...(evicted.length > 0 ? [`${dryRun ? 'Frees' : 'Freed'} ${bytesText(bytes)}.`] : []),
      ...kept.map((image) => `Stays: ${names([image])} (${image.reason})`),
      ...(notCached > 0 ? [`${counted(notCached, 'image')} not cached`] : []),
    ],
  },
  accept: {
    count: ({ accepted }) => accepted.length,
    free: 0,
    lines: ({ accepted }) => accepted.map(({ uuid, from, to }) => `${uuid}: from ${fileOf(from)} to ${fileOf(to)}`),
  },
  refresh: {
    lines: ({ images, upstreams }) => [
      `${counted(images, 'image')} listed.`,
      ...upstreams.flatMap(({ name, problem }) => (problem === null ? [] : [`${plain(name)}: ${plain(problem)}`])),
    ],
    isWarning: ({ upstreams }) => upstreams.some(({ problem }) => problem !== null),
  },
};

/** All that a result says, its warnings too. */
export function textOf(verb, result) {
  return [...VERBS[verb].lines(result), ...(result.warnings ?? []).map(plain)].join('\n');
}
