/**
 * Put around the downloads: sources whose upstream has been failing come last. They are never left out, and one request
 * that nobody waits for finds out now and then whether they are well again.
 */
import type { UpstreamHealth } from '../upstream/health.ts';
import type { Log } from '../config/log.ts';
import type { Downloads } from './registry.ts';
import type { DownloadSource, WantedBlob } from './wanted.ts';

export interface HealthyFirstDeps {
  readonly healthOf: (upstream: string) => Pick<UpstreamHealth, 'isTripped' | 'isProbeDue'>;
  readonly log: Log;
}

/** A probe that has no answer by then is given up, ms; its upstream's `stallTimeout` is mostly shorter. */
const PROBE_MS = 60_000;

export function healthyFirst(downloads: Downloads, deps: HealthyFirstDeps): Downloads {
  const isTripped = ({ upstream }: DownloadSource): boolean => deps.healthOf(upstream.name).isTripped('file');

  function inOrder(wanted: WantedBlob): WantedBlob {
    const last = wanted.sources.filter(isTripped);
    if (last.length === 0 || last.length === wanted.sources.length) return wanted;
    for (const source of last) {
      if (deps.healthOf(source.upstream.name).isProbeDue('file')) void probe(source, wanted);
    }
    return { ...wanted, sources: [...wanted.sources.filter((source) => !isTripped(source)), ...last] };
  }

  /** Asks for the file's last byte, and lets go at the headers: they are what the health is about. */
  async function probe({ upstream, uuid, index, channel }: DownloadSource, wanted: WantedBlob): Promise<void> {
    const { size, requestId } = wanted;
    try {
      const offset = Math.max(0, size - 1);
      const signal = AbortSignal.timeout(PROBE_MS);
      const answer = await upstream.file({ uuid, index, channel, offset, requestId, signal });
      if (answer.kind === 'file') answer.stream.cancel();
    } catch (error) {
      // What it told was reported where it was asked.
      deps.log.debug({ err: error, upstream: upstream.name }, 'upstream is still failing');
    }
  }

  return {
    ...downloads,
    get running() {
      return downloads.running;
    },
    get passing() {
      return downloads.passing;
    },
    obtain: async (wanted) => downloads.obtain(inOrder(wanted)),
  };
}
