/** The names of a bundle's entries: what a person sees after `tar xf`. PURE. */
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import { MAX_NAME_BYTES } from './tar-header.ts';

export const INDEX_NAME = 'imgapi-mirror-bundle.json';
export const SIGNATURE_NAME = 'imgapi-mirror-bundle.sig';

const MANIFEST_SUFFIX = '.imgmanifest';
/** The longest thing behind a stem: `.file9999.zfs.bz2`. */
const SUFFIX_ROOM = 18;
/** By `files[].compression`. */
const COMPRESSION_SUFFIXES = new Map([
  ['gzip', '.gz'],
  ['bzip2', '.bz2'],
  ['xz', '.xz'],
]);
const ICON_SUFFIXES = new Map([
  ['image/png', '.png'],
  ['image/gif', '.gif'],
  ['image/jpeg', '.jpg'],
]);

/** True for a name that is safe to extract anywhere: one plain component, no option for a command that is given it. */
export function isEntryName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME_BYTES && /^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(value);
}

export interface EntryNames {
  readonly manifest: string;
  file(index: number): string;
  icon(contentType: string): string;
}

/** `<name>-<version>-<uuid>` with suffixes. What is odd in name and version becomes a dash, what is long is cut. */
export function entryNamesOf(uuid: ImageUuid, manifest: ManifestJson): EntryNames {
  const { name, version, files } = manifest;
  const words = [name, version].filter((part) => typeof part === 'string' || typeof part === 'number').join('-');
  const plain = words
    .replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
    .slice(0, MAX_NAME_BYTES - SUFFIX_ROOM - uuid.length - 1)
    .replace(/^[^A-Za-z0-9]+/, '');
  const stem = plain === '' ? uuid : `${plain}-${uuid}`;
  return {
    manifest: `${stem}${MANIFEST_SUFFIX}`,
    file(index) {
      const file: unknown = Array.isArray(files) ? files[index] : undefined;
      const compression =
        typeof file === 'object' && file !== null && 'compression' in file ? file.compression : 'none';
      const suffix = COMPRESSION_SUFFIXES.get(String(compression)) ?? '';
      // An image has one file nearly always, and `imgadm install -f` takes that one.
      return `${stem}${index === 0 ? '' : `.file${index}`}.zfs${suffix}`;
    },
    icon: (contentType) => `${stem}.icon${ICON_SUFFIXES.get(contentType) ?? ''}`,
  };
}
