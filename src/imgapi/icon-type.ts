/** What an icon can be. Others' servers say what they like: of anything else nothing is promised, least of all to a browser. */

/** The types IMGAPI takes (AddImageIcon), and `application/octet-stream` for what came as none of them. */
const ICON_TYPES = ['image/png', 'image/gif', 'image/jpeg', 'application/octet-stream'] as const;
export type IconType = (typeof ICON_TYPES)[number];

/** Of a Content-Type header, without its parameters. */
export function iconTypeOf(contentType: string | undefined): IconType {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  return ICON_TYPES.find((known) => known === type) ?? 'application/octet-stream';
}
