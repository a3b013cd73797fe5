/** Where the files of a known image can be had, whatever channel it is in. */
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownImage } from '../catalog/known-images.ts';
import { fileSources } from '../downloads/file-sources.ts';
import type { DownloadSource } from '../downloads/wanted.ts';

export function createPrefetchSources(
  catalog: Pick<Catalog, 'feeds' | 'peek'>,
): (image: KnownImage, index: number) => readonly DownloadSource[] {
  return (image, index) => {
    const { uuid } = image.manifest;
    const isIn = (channel: '*' | undefined): boolean => catalog.peek(channel)?.snapshot.get(uuid) !== undefined;
    // An image of the default list is asked for as clients do; of one that is only in another channel any will do.
    const channel = !isIn(undefined) && isIn('*') ? '*' : undefined;
    return fileSources(catalog.feeds(), { entry: image, channel, snapshot: catalog.peek(channel)?.snapshot }, index);
  };
}
