/** What stands in for the HTTP client of every upstream of a mirror that is offline: no name is resolved, nothing is connected to. */
import { MirrorError } from '../imgapi/errors.ts';
import type { HttpClient } from './http-client.ts';

/** `name` is the upstream's, for errors. */
export function createOfflineHttpClient(name: string): HttpClient {
  return {
    get: async ({ path }) => {
      const text = `upstream ${name} is not asked for ${path}: this mirror is offline`;
      throw new MirrorError('Offline', text, { details: { upstream: name, reason: 'connect' } });
    },
    close: async () => undefined,
  };
}
