/** The MD5 an upstream announces for a file. PURE. */

const MD5_BASE64 = /^[A-Za-z0-9+/]{22}==$/;

/** A `Content-MD5` header's value; undefined where there is none, or none that could be an MD5 (RFC 1864). */
export function announcedMd5(header: string | undefined): string | undefined {
  return header !== undefined && MD5_BASE64.test(header) ? header : undefined;
}
