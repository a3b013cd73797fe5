/** What this is and which version, from package.json: the one place where the number stands. */
import { readFileSync } from 'node:fs';
import { entryOf } from './mapping.ts';

// The same two steps up from src/config and from dist/config.
const description: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** The product's name and version, as in `imgapi-mirror/0.1.0`. */
export const PRODUCT = { name: 'imgapi-mirror', version: String(entryOf(description, 'version')) } as const;
