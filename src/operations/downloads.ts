/** `downloads`: what is being fetched right now. */
import type { Downloads } from '../downloads/registry.ts';
import type { WantedBlob } from '../downloads/wanted.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ImageLabel } from './image-label.ts';
import type { Operation } from './operation.ts';

export interface RunningDownload {
  readonly sha1: string;
  /** The image it was first asked for, of all that may have the file. */
  readonly image: ImageLabel | null;
  /** Bytes of the whole file, and how many of them are on disk; of what is passed through, how far the furthest stream is. */
  readonly size: number;
  readonly received: number;
  /** Responses and prefetches that read it. */
  readonly followers: number;
  readonly priority: 'demand' | 'prefetch';
  /** True: it has no place on disk. Clients get it, and it is not kept; all streams of one file are told as one. */
  readonly passedThrough: boolean;
}

/** More than anybody reads: so many of the first of them pages show, and events tell. */
export const MOST_DOWNLOADS = 20;

/** What is told of both kinds of transfers. */
type Transfer = Pick<RunningDownload, 'received' | 'followers' | 'priority' | 'passedThrough'>;

export interface DownloadsResult {
  readonly downloads: readonly RunningDownload[];
}

/** What is known of an image without a wait; undefined: nothing. */
export type Labels = (uuid: ImageUuid) => ImageLabel | undefined;

export function createDownloadsList(
  downloads: Pick<Downloads, 'running' | 'passing'>,
  labels: Labels,
): Operation<object, DownloadsResult> {
  return { run: async () => ({ downloads: describeDownloads(downloads, labels) }) };
}

/** Of either kind those that run longest come first. */
export function describeDownloads(
  { running, passing }: Pick<Downloads, 'running' | 'passing'>,
  labels: Labels,
): readonly RunningDownload[] {
  const describe = ({ sha1, size, sources }: WantedBlob, transfer: Transfer): RunningDownload => {
    const uuid = sources[0]?.uuid;
    const image = uuid === undefined ? null : (labels(uuid) ?? { uuid, name: '', version: '' });
    return { sha1, image, size, ...transfer };
  };
  const downloads = Array.from(running, ({ wanted, written, followers, priority }) =>
    describe(wanted, { received: written, followers, priority, passedThrough: false }),
  );
  const passed = new Map<string, RunningDownload>();
  for (const { wanted, received, followers } of passing) {
    const file = `${wanted.sha1} ${wanted.size}`;
    const others = passed.get(file);
    const transfer: Transfer = {
      received: Math.max(received, others?.received ?? 0),
      followers: followers + (others?.followers ?? 0),
      priority: 'demand',
      passedThrough: true,
    };
    passed.set(file, describe(wanted, transfer));
  }
  return inTurns(downloads, [...passed.values()]);
}

/** One of these, one of those: among the first ones are some of both, however many there are of one kind. */
function inTurns<T>(these: readonly T[], those: readonly T[]): readonly T[] {
  const most = Math.max(these.length, those.length);
  return Array.from({ length: most }, (_, at) => [...these.slice(at, at + 1), ...those.slice(at, at + 1)]).flat();
}
