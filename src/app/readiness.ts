/** Whether this mirror can serve, from its rooms. */
import { lookInto, probeDir } from '../blobs/probe-dir.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { createReadiness, type Readiness } from '../operations/ready.ts';
import type { ImageIndex } from '../records/image-index.ts';

export function readinessOf(rooms: {
  readonly dir: string;
  readonly isOffline: boolean;
  readonly catalog: Pick<Catalog, 'peek' | 'state'>;
  readonly index: Pick<ImageIndex, 'images'>;
  readonly isStopping: () => boolean;
  readonly monotonicNow: () => number;
}): Readiness {
  const { dir, isOffline, catalog, index, isStopping, monotonicNow } = rooms;
  return createReadiness({
    isStopping,
    isOffline,
    hasList: () => catalog.peek(undefined) !== undefined,
    problems: () =>
      catalog
        .state()
        .upstreams.flatMap(({ upstream, problem }) =>
          problem === undefined ? [] : `upstream ${upstream}: ${problem}`,
        ),
    async hasKept() {
      // The index remembers what it has read.
      await lookInto(dir);
      return (await index.images()).length > 0;
    },
    probe: async () => probeDir(dir),
    monotonicNow,
  });
}
