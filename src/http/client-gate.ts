/** Which requests are taken at all, by the address they come from: `listen.allow`, `listen.maxResponsesPerClient`. */
import { MirrorError } from '../imgapi/errors.ts';
import { createAllowList } from './allow.ts';

export interface ClientRules {
  /** Address ranges (CIDR); empty serves everyone. */
  readonly allow: readonly string[];
  /** null: no limit. */
  readonly maxResponsesPerClient: number | null;
}

/** Why a client's request was refused, for metrics. */
export type ClientRefusal = 'not_allowed' | 'too_many_responses';

/** Every refusal, for priming metrics. */
export const CLIENT_REFUSALS: readonly ClientRefusal[] = ['not_allowed', 'too_many_responses'];

export interface ClientGate {
  /**
   * Throws `ForbiddenError` or `ServiceUnavailableError`, or takes the request; then the function it returns is called
   * once, when its response is over. `isOwnHealthCheck`: this machine asks whether it is well; taken whatever the rules.
   */
  enter(client: { readonly address: string | undefined; readonly isOwnHealthCheck: boolean }): () => void;
  /** From the next request on; responses that run go on. */
  update(rules: ClientRules): void;
}

export function createClientGate(
  deps: { readonly onRefused: (reason: ClientRefusal) => void },
  first: ClientRules,
): ClientGate {
  let rules = first;
  let allowed = createAllowList(rules.allow);
  /** By address; no more of them than connections. */
  const running = new Map<string, number>();

  function refuse(reason: ClientRefusal, error: MirrorError): never {
    deps.onRefused(reason);
    throw error;
  }

  function leave(address: string): void {
    const left = (running.get(address) ?? 1) - 1;
    if (left === 0) running.delete(address);
    else running.set(address, left);
  }

  return {
    enter({ address = '', isOwnHealthCheck }) {
      if (isOwnHealthCheck) return () => {};
      if (!allowed.allows(address)) {
        refuse('not_allowed', new MirrorError('ForbiddenError', `this mirror does not serve ${address}`));
      }
      const { maxResponsesPerClient: most } = rules;
      const count = running.get(address) ?? 0;
      if (most !== null && count >= most) {
        const message = `${address} has ${count} responses running, and no more are served to one client at a time`;
        refuse('too_many_responses', new MirrorError('ServiceUnavailableError', message, { isMeant: true }));
      }
      // Counted without a limit too: one may be set while they run.
      running.set(address, count + 1);
      return () => leave(address);
    },
    update(next) {
      rules = next;
      allowed = createAllowList(next.allow);
    },
  };
}
