/** The certificate and key of `listen.tls`: read at start and at every reload, checked by `config check`. */
import path from 'node:path';
import type { ConfigProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { checkTls, type TlsPair } from '../http/tls.ts';
import { readTextFile } from './read-text-file.ts';

export type TlsFiles =
  /** `pair` is undefined where plain HTTP is configured. */
  | { readonly ok: true; readonly pair: TlsPair | undefined; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** A chain is a few kilobytes. */
const MAX_PEM_BYTES = 2 ** 20;

/** `nowMs`: since the epoch, for the certificate's dates. */
export async function readTlsFiles(tls: Config['listen']['tls'], cwd: string, nowMs: number): Promise<TlsFiles> {
  const { certFile, keyFile } = tls;
  // The configuration has both or neither.
  if (certFile === null || keyFile === null) return { ok: true, pair: undefined, warnings: [] };
  const [cert, key] = await Promise.all(
    [certFile, keyFile].map(async (file) => readTextFile(path.resolve(cwd, file), MAX_PEM_BYTES)),
  );
  const unread = [
    ...(cert?.ok === false ? [problem('certFile', `cannot read ${JSON.stringify(certFile)}: ${cert.reason}`)] : []),
    ...(key?.ok === false ? [problem('keyFile', `cannot read ${JSON.stringify(keyFile)}: ${key.reason}`)] : []),
  ];
  if (cert?.ok !== true || key?.ok !== true) return { ok: false, problems: unread };
  const pair = { cert: cert.text, key: key.text };
  const checked = checkTls(pair, nowMs);
  if (checked.ok) return { ok: true, pair, warnings: checked.warnings.map((text) => `listen.tls: ${text}`) };
  const file = checked.wrong === 'certFile' ? certFile : keyFile;
  return { ok: false, problems: [problem(checked.wrong, `${JSON.stringify(file)}: ${checked.message}`)] };
}

function problem(name: 'certFile' | 'keyFile', message: string): ConfigProblem {
  return { key: `listen.tls.${name}`, where: undefined, message };
}
