/** Cuts a selector's text into its terms: at spaces that no quotes hold together. */

/** One term as written. */
export interface Token {
  /** Without its quotes; a backslash and what it protects stay as they are. */
  readonly text: string;
  /** As written, for messages. */
  readonly source: string;
  /** Where it begins: characters before it. */
  readonly position: number;
}

/** The terms, or where the quotes open that nothing closes. */
export type Tokens =
  | { readonly ok: true; readonly tokens: readonly Token[] }
  | { readonly ok: false; readonly unclosed: Token };

/** `name="two words" os=linux` is two terms. In quotes as outside, `\"` is a quote and no end. Never throws. */
export function splitTerms(text: string): Tokens {
  const tokens: Token[] = [];
  let start: number | undefined;
  let quotedAt: number | undefined;
  let current = '';
  const close = (end: number): void => {
    if (start !== undefined) tokens.push({ text: current, source: text.slice(start, end), position: start });
    start = undefined;
    current = '';
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quotedAt === undefined && /\s/.test(character)) {
      close(at);
      continue;
    }
    start ??= at;
    if (character === '"') {
      quotedAt = quotedAt === undefined ? at : undefined;
    } else if (character === '\\') {
      current += text.slice(at, at + 2);
      at += 1;
    } else {
      current += character;
    }
  }
  if (quotedAt !== undefined) {
    return { ok: false, unclosed: { text: current, source: text.slice(quotedAt), position: quotedAt } };
  }
  close(text.length);
  return { ok: true, tokens };
}
