/** YAML text to plain values, with the line of every key for messages. Hostile text is refused, not endured. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { KeyPath } from './problem.ts';

/** One thing that is wrong with the text itself. Line and column count from 1. */
export interface YamlProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type YamlResult =
  | {
      readonly ok: true;
      /** Null for a text that holds nothing but comments. */
      readonly value: unknown;
      /** The line of the key at `path`, or of the nearest one above it that is there. */
      readonly lineOf: (path: KeyPath) => number | undefined;
    }
  | { readonly ok: false; readonly problems: readonly YamlProblem[] };

/** Most values that aliases may stand for; more is a file that explodes. */
const MAX_ALIASES = 100;

/** Parses YAML 1.2. Never throws. */
export function parseYaml(text: string): YamlResult {
  const lines = new LineCounter();
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  // The library compares every key with every other one: 60,000 keys took 91 s. The check below is linear.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  // One mistake is often reported many times over, so the first alone is told. An unknown tag is only a warning to the library.
  const [first] = [...document.errors, ...document.warnings];
  if (first !== undefined) {
    const message =
      first.code === 'MULTIPLE_DOCS' ? 'more than one document ("---"); one would do' : oneLine(first.message);
    return { ok: false, problems: [{ ...at(first.pos[0]), message }] };
  }
  const duplicates = findDuplicates(document).map(({ name, offset, earlier }): YamlProblem => {
    const { line, column } = at(offset);
    return {
      line,
      column,
      message: `the key ${JSON.stringify(name)} is there twice, first on line ${at(earlier).line}`,
    };
  });
  if (duplicates.length > 0) return { ok: false, problems: duplicates };
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { ok: true, value, lineOf: (path) => lineOf(document, path, at) };
  } catch (error) {
    // Aliases alone fail this late: unknown ones, or too many. The library says which, without a position.
    return {
      ok: false,
      problems: [{ line: 1, column: 1, message: oneLine(error instanceof Error ? error.message : String(error)) }],
    };
  }
}

function oneLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

function findDuplicates(document: Document): { name: string; offset: number; earlier: number }[] {
  const found: { name: string; offset: number; earlier: number }[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Map<string, number>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const [name, offset] = [String(key.value), key.range?.[0] ?? 0];
        const earlier = seen.get(name);
        if (earlier === undefined) seen.set(name, offset);
        else found.push({ name, offset, earlier });
      }
    },
  });
  return found;
}

function lineOf(document: Document, path: KeyPath, at: (offset: number) => { line: number }): number | undefined {
  let node: unknown = document.contents;
  let line: number | undefined;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    let offset: number | undefined;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      offset = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
      node = pair?.value;
    } else if (isSeq(node) && typeof step === 'number') {
      const item = node.items[step];
      offset = isScalar(item) || isMap(item) || isSeq(item) || isAlias(item) ? item.range?.[0] : undefined;
      node = item;
    }
    if (offset === undefined) break;
    line = at(offset).line;
  }
  return line;
}
