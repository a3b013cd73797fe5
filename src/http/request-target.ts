/** Absolute-form request targets: `GET http://other.host/images HTTP/1.1` asks us for /images (RFC 9112 section 3.2.2). PURE. */

const SCHEME_AND_AUTHORITY = /^https?:\/\/[^/?#]*/i;

/** The path and query of a request target; the authority is ignored, as the real server does. */
export function targetPath(target: string): string {
  if (target.startsWith('/')) return target;
  const rest = target.replace(SCHEME_AND_AUTHORITY, '');
  return rest.startsWith('/') ? rest : `/${rest}`;
}
