/** `refresh`: asks every upstream for its lists now, and forgets what none of them had. */
import type { Catalog } from '../catalog/catalog.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { Operation } from './operation.ts';

export interface RefreshInput {
  /** Also takes a list that is empty or much shorter than the last one. */
  readonly accept?: boolean;
}

export interface RefreshResult {
  readonly upstreams: readonly {
    readonly name: string;
    readonly images: number;
    /** ISO 8601: when its list was last confirmed; null if it never was. */
    readonly confirmedAt: string | null;
    /** Why its list could not be had or was not taken; null if it was. */
    readonly problem: string | null;
    /** True: it gave a list that is empty or much shorter than the last, which stays in force until the new one is accepted. */
    readonly held: boolean;
  }[];
  /** Images in the merged list. */
  readonly images: number;
  /** Of which an upstream says otherwise than what is remembered, found now or before. */
  readonly conflicts: number;
}

export function createRefresh(deps: {
  readonly catalog: Pick<Catalog, 'refresh' | 'state'>;
  readonly negatives: { clear(): Promise<void> };
  /** True: nobody is asked. */
  readonly isOffline: boolean;
}): Operation<RefreshInput, RefreshResult> {
  return {
    async run({ accept = false }) {
      if (deps.isOffline) throw new MirrorError('Offline', 'this mirror is offline: no upstream is asked for its list');
      await deps.negatives.clear();
      await deps.catalog.refresh({ accept });
      const state = deps.catalog.state();
      return {
        images: state.images,
        conflicts: state.conflicts,
        upstreams: state.upstreams.map(({ upstream, images, fetchedAtMs, problem, isHeld }) => ({
          name: upstream,
          images,
          confirmedAt: fetchedAtMs === undefined ? null : new Date(fetchedAtMs).toISOString(),
          problem: problem ?? null,
          held: isHeld,
        })),
      };
    },
  };
}
