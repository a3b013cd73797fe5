/** The name under which imported images are in the catalog; no configured upstream may have it. */
export const IMPORTED = 'imported';
