/** A size to be read and to be compared. */
import { roughSize } from '../config/units.ts';

/** `1000B`, `97.7KiB (100000 bytes)`: two sides of a conflict may differ in a single byte. */
export function sizeText(bytes: number): string {
  const rough = roughSize(bytes);
  return rough === `${bytes}B` ? rough : `${rough} (${bytes} bytes)`;
}
