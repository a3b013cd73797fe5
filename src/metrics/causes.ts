/** What the bytes of an upstream's answer are for. PURE. */
import type { HttpRequest } from '../upstream/http-client.ts';

/**
 * `demand`: a client waits, or an operator's command that wants to know of an image. `prefetch`: by schedule, by hand, or for
 * a stored blob that has rotted, until a client joins; what had to be looked up for it too. `revalidation`: lists, channels and pings. `resume`: what is there already and comes again, because the
 * upstream began anew where it was asked to go on.
 */
export const CAUSES = ['demand', 'prefetch', 'revalidation', 'resume'] as const;
export type Cause = (typeof CAUSES)[number];

/** A function that splits the bytes of one answer, as they come, by their cause. */
export function causesOf(
  { kind, transfer }: HttpRequest,
  status: number,
): (bytes: number) => readonly { readonly cause: Cause; readonly bytes: number }[] {
  if (kind === 'list' || kind === 'channels' || kind === 'ping') return (bytes) => [{ cause: 'revalidation', bytes }];
  let again = transfer !== undefined && status === 200 ? transfer.offset : 0;
  return (bytes) => {
    const resumed = Math.min(again, bytes);
    again -= resumed;
    // Asked for each piece: a client may join at any time.
    const cause = transfer?.urgency.priority ?? 'demand';
    return [
      { cause: 'resume' as const, bytes: resumed },
      { cause, bytes: bytes - resumed },
    ].filter((part) => part.bytes > 0);
  };
}
