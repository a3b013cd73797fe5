/** Conditional requests (RFC 9110 section 13) on entity tags, and If-Range. PURE. */

/**
 * True if one of the tags in an `If-None-Match` or `If-Match` header is ours. Tags are compared without their quotes:
 * the real server sends its tags unquoted, and clients send back either form.
 */
export function matchesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((part) => {
    const tag = part.trim();
    return tag === '*' || bare(tag) === etag;
  });
}

/** True if a Range may be honoured: there is no If-Range, or it names the file as it is now (a strong tag or its date). */
export function allowsRange(ifRange: string | undefined, etag: string, lastModified: string): boolean {
  if (ifRange === undefined) return true;
  const value = ifRange.trim();
  return !value.startsWith('W/') && (bare(value) === etag || value === lastModified);
}

function bare(tag: string): string {
  return tag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
}
