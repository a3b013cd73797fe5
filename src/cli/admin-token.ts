/** The token of `admin.token` or `admin.tokenFile`: read once at start, checked by `config check`. */
import path from 'node:path';
import type { ConfigProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { readTextFile } from './read-text-file.ts';

export type AdminToken =
  /** Undefined where none is configured. */
  | { readonly ok: true; readonly token: string | undefined }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Shorter ones can be guessed. */
const MIN_LENGTH = 16;
const MAX_FILE_BYTES = 4_096;

export async function readAdminToken({ token, tokenFile }: Config['admin'], cwd: string): Promise<AdminToken> {
  if (token !== null && tokenFile !== null) return problem('admin', 'set either token or tokenFile, not both');
  if (token !== null) return checked(token, 'admin.token');
  if (tokenFile === null) return { ok: true, token: undefined };
  const read = await readTextFile(path.resolve(cwd, tokenFile), MAX_FILE_BYTES);
  if (!read.ok) return problem('admin.tokenFile', `cannot read ${JSON.stringify(tokenFile)}: ${read.reason}`);
  // An editor ends the line.
  return checked(read.text.trim(), 'admin.tokenFile');
}

function checked(token: string, key: string): AdminToken {
  if (token.length < MIN_LENGTH)
    return problem(key, `the token has ${token.length} characters; at least ${MIN_LENGTH} would do`);
  // What a header can carry as one word (RFC 6750, b64token, and then some).
  if (!/^[\x21-\x7e]+$/.test(token))
    return problem(key, 'the token may have visible ASCII characters only, and no blank');
  return { ok: true, token };
}

function problem(key: string, message: string): AdminToken {
  return { ok: false, problems: [{ key, where: undefined, message }] };
}
