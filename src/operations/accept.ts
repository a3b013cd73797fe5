/** `accept`: what an upstream now says of images is right, and comes into force in place of what is remembered. */
import { MirrorError } from '../imgapi/errors.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import { UUID_START } from '../selector/selector.ts';
import type { Accepted } from '../trust/conflict.ts';
import type { Trust } from '../trust/trust.ts';
import type { Operation } from './operation.ts';

export interface AcceptInput {
  /** Uuids, or their beginnings: 8 digits at least, of one image in conflict alone. */
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
  readonly trust: Pick<Trust, 'preview' | 'accept' | 'conflicts'>;
}): Operation<AcceptInput, AcceptResult> {
  return {
    async run({ selectors, dryRun = false }, { signal, onEvent }) {
      const uuids = [...new Set(selectors.map((text) => uuidOf(text, deps.trust)))];
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

function uuidOf(text: string, trust: Pick<Trust, 'conflicts'>): ImageUuid {
  const start = text.toLowerCase();
  if (isImageUuid(start)) return start;
  if (!UUID_START.test(start)) {
    const message = `${JSON.stringify(text)} is no uuid, nor the first 8 digits or more of one: a conflict is accepted image by image`;
    throw new MirrorError('ValidationFailed', message, { errors: [{ field: 'selectors', code: 'Invalid', message }] });
  }
  const fitting = trust.conflicts().flatMap(({ uuid }) => (uuid.startsWith(start) ? [uuid] : []));
  const [uuid] = fitting;
  if (uuid !== undefined && fitting.length === 1) return uuid;
  const which = uuid === undefined ? 'no image in conflict has' : `${fitting.length} images in conflict have`;
  throw new MirrorError('NothingSelected', `${which} a uuid that begins with ${start}`);
}
