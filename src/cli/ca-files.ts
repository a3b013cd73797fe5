/** The authorities an upstream's `caFile` names: read once at start, checked by `config check`. */
import path from 'node:path';
import type { ConfigProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { readTextFile } from './read-text-file.ts';

export type CaFiles =
  /** PEM texts by the upstream's name. */
  | { readonly ok: true; readonly texts: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Bundles of all public authorities are about 250 KiB. */
const MAX_CA_BYTES = 4 * 2 ** 20;

export async function readCaFiles(config: Config, cwd: string): Promise<CaFiles> {
  const texts = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  for (const [index, { name, caFile }] of config.upstreams.entries()) {
    if (caFile === null) continue;
    const read = await readTextFile(path.resolve(cwd, caFile), MAX_CA_BYTES);
    const key = `upstreams[${index}].caFile`;
    if (!read.ok) {
      problems.push({ key, where: undefined, message: `cannot read ${JSON.stringify(caFile)}: ${read.reason}` });
    } else if (read.text.includes('-----BEGIN CERTIFICATE-----')) {
      texts.set(name, read.text);
    } else {
      const message = `${JSON.stringify(caFile)} holds no certificate; a PEM file would do`;
      problems.push({ key, where: undefined, message });
    }
  }
  return problems.length === 0 ? { ok: true, texts } : { ok: false, problems };
}
