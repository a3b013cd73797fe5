/** The paths of the API, from the table of verbs. */
import { VERBS } from '../operations/verbs.ts';

export const API = '/_mirror/api';
/** What describes the API. */
export const OPENAPI_URL = `${API}/openapi.json`;

/** The status, again and again. */
export const EVENTS_URL = `${API}/events`;

/** The methods of an API path, HEAD beside GET; undefined if there is no such path. */
export function methodsOf(path: string): readonly string[] | undefined {
  if ([API, `${API}/`, OPENAPI_URL, EVENTS_URL].includes(path)) return ['GET', 'HEAD'];
  const methods = Object.values(VERBS).flatMap((verb) => {
    const isHere = new RegExp(`^${API}/${verb.path.replace(/:\w+/, '[^/]+')}$`).test(path);
    if (!isHere) return [];
    return verb.method === 'GET' ? ['GET', 'HEAD'] : [verb.method];
  });
  return methods.length === 0 ? undefined : methods;
}
