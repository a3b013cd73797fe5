/** Command line options, strictly: every mistake is one line that says what would do. */
import { parseArgs } from 'node:util';
import { escape } from '../config/problem.ts';
import { nearest } from '../config/nearest.ts';

/** One option of a command. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** May be given more than once; its value is then a list. */
  readonly multiple?: boolean;
  readonly short?: string;
  /** What stands for the value in help texts, such as `FILE`. */
  readonly value?: string;
  /** The only values it takes, where they are fixed: for completion. */
  readonly values?: readonly string[];
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** The values given, by option name: texts of `string` options (several for `multiple` ones), and the names of the `boolean` ones. */
export interface OptionValues {
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
  has(name: string): boolean;
}

export type OptionsResult =
  | { readonly ok: true; readonly options: OptionValues; readonly positionals: readonly string[] }
  | { readonly ok: false; readonly message: string };

/**
 * Parses `args`. `util.parseArgs` is as strict itself, but tells of a mistake only in prose of several lines; its tokens say the same in a
 * form that can be turned into one line with the nearest known option.
 */
export function parseOptions(args: readonly string[], specs: OptionSpecs, maxPositionals = 0): OptionsResult {
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  const { tokens } = parseArgs({
    args: [...args],
    options: parserOptions(specs),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      positionals.push(token.value);
      if (positionals.length > maxPositionals) return wrong(`unexpected argument ${JSON.stringify(token.value)}`);
      continue;
    }
    const { name, rawName, value } = token;
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) {
      const near = nearest(name, Object.keys(specs));
      return wrong(`unknown option ${rawName}${near === undefined ? '' : `; did you mean --${near}?`}`);
    }
    if (spec.type === 'boolean' && value !== undefined) return wrong(`${rawName} takes no value`);
    if (spec.type === 'string') {
      if (value === undefined || value === '')
        return wrong(`${rawName} needs a value, ${rawName} ${spec.value ?? 'VALUE'}`);
      // `--config --port 80` forgot a value; whoever means one that begins with "-" can say so.
      if (value.startsWith('-') && !token.inlineValue && spec.values?.includes(value) !== true)
        return wrong(`${rawName} needs a value; if it is ${value}, write ${rawName}=${value}`);
    }
    const earlier = given.get(name);
    if (earlier !== undefined && spec.type === 'string' && spec.multiple !== true)
      return wrong(`${rawName} is there twice; once would do`);
    given.set(name, [...(earlier ?? []), value ?? '']);
  }
  const options: OptionValues = {
    text: (name) => given.get(name)?.[0],
    texts: (name) => given.get(name) ?? [],
    has: (name) => given.has(name),
  };
  return { ok: true, options, positionals };
}

function wrong(message: string): OptionsResult {
  return { ok: false, message: escape(message) };
}

function parserOptions(
  specs: OptionSpecs,
): Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean }> {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { type, short }]) => [
      name,
      { type, multiple: true, ...(short === undefined ? {} : { short }) },
    ]),
  );
}
