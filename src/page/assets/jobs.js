/** What is being done: seen from when it takes a while, with what is there to stop it. Leaving the page while it lasts is asked about. */
import { byId, bytesText, counted, countText, make, setText } from './words.js';

/** What is done sooner is not seen as being done. */
const SHOWN_AFTER_MS = 400;

/** Those that the mirror stops when the page is left. */
const stoppable = new Set();

globalThis.addEventListener('beforeunload', (event) => {
  if (stoppable.size > 0) event.preventDefault();
});

/**
 * Runs one job.
 * @param work is given a signal and what to call with each event
 * @param canStop whether the end of `signal` ends it
 */
export async function runJob(title, canStop, work) {
  const abort = new AbortController();
  const text = make('span', {}, `${title} …`);
  const bar = make('progress', { 'aria-label': title });
  const item = make('li', {}, text, bar);
  if (canStop) {
    const stop = make('button', { type: 'button', 'aria-label': `Stop: ${title}` }, 'Stop');
    stop.addEventListener('click', () => abort.abort());
    item.append(stop);
    stoppable.add(item);
  }
  const timer = setTimeout(() => byId('jobs').append(item), SHOWN_AFTER_MS);
  try {
    return await work(abort.signal, (event) => showEvent(event, title, text, bar));
  } finally {
    clearTimeout(timer);
    stoppable.delete(item);
    item.remove();
  }
}

function showEvent({ type, received, bytes, filesDone, files }, title, text, bar) {
  if (type !== 'total') return;
  bar.max = Math.max(1, bytes);
  bar.value = received;
  const done = `${bytesText(received)} of ${bytesText(bytes)}, ${countText(filesDone)} of ${counted(files, 'file')}`;
  setText(text, `${title}: ${done}`);
}
