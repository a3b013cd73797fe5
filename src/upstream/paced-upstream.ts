/** An upstream whose files arrive no faster than its bandwidth allows. Lists, look-ups and icons are small and go at once. */
import type { Bandwidth } from './bandwidth.ts';
import type { Upstream } from './upstream.ts';
import { DEMAND } from './urgency.ts';

export function paceUpstream(upstream: Upstream, bandwidth: Bandwidth): Upstream {
  return {
    ...upstream,
    async file(request) {
      const answer = await upstream.file(request);
      if (answer.kind === 'absent') return answer;
      const { stream } = answer;
      const body = bandwidth.pace(stream.body, request.urgency ?? DEMAND, request.signal);
      return { kind: 'file', stream: { ...stream, body } };
    },
  };
}
