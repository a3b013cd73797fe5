/** `accept`: what an upstream now says of images is right, and comes into force in place of what is remembered. */
import { MirrorError } from '../imgapi/errors.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import type { Accepted } from '../trust/conflict.ts';
import type { Trust } from '../trust/trust.ts';
import type { Operation } from './operation.ts';

export interface AcceptInput {
  /** Uuids. */
  readonly selectors: readonly string[];
  /** Says what would be accepted. */
  readonly dryRun?: boolean;
}

export interface AcceptResult {
  readonly accepted: readonly Accepted[];
}

/** `{type: 'accepted', ...}` for each, as it is done. */
export type AcceptEvent = { readonly type: 'accepted' } & Accepted;

/** All or nothing: a uuid that is none (422), unknown or not in conflict (404) is an error before anything is changed. */
export function createAccept(deps: {
  readonly trust: Pick<Trust, 'preview' | 'accept'>;
}): Operation<AcceptInput, AcceptResult> {
  return {
    async run({ selectors, dryRun = false }, { signal, onEvent }) {
      const uuids = [...new Set(selectors.map(uuidOf))];
      const previews = uuids.map((uuid) => deps.trust.preview(uuid));
      if (dryRun) return { accepted: previews };
      const accepted: Accepted[] = [];
      for (const uuid of uuids) {
        signal.throwIfAborted();
        const one = await deps.trust.accept(uuid);
        accepted.push(one);
        const event: AcceptEvent = { type: 'accepted', ...one };
        onEvent(event);
      }
      return { accepted };
    },
  };
}

function uuidOf(text: string): ImageUuid {
  const uuid = text.toLowerCase();
  if (isImageUuid(uuid)) return uuid;
  const message = `${JSON.stringify(text)} is not a uuid: a conflict is accepted image by image`;
  throw new MirrorError('ValidationFailed', message, { errors: [{ field: 'selectors', code: 'Invalid', message }] });
}
