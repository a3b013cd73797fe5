/** An image as results of operations name it. */
import { textOf } from '../imgapi/image-filter.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { Manifest } from '../imgapi/manifest.ts';

/** Texts are as their upstream wrote them, empty where it wrote none: escape them where they are shown. */
export interface ImageLabel {
  readonly uuid: ImageUuid;
  readonly name: string;
  readonly version: string;
}

export function labelOf({ manifest: { uuid, json } }: { readonly manifest: Manifest }): ImageLabel {
  return { uuid, name: textOf(json['name']) ?? '', version: textOf(json['version']) ?? '' };
}
