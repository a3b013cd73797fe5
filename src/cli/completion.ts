/** Shell completion, made from the commands there are: their words, their options, the fixed values of these. PURE. */
import { PRODUCT } from '../config/product.ts';
import type { Command } from './commands.ts';
import { HELP_OPTION } from './flags.ts';
import type { OptionSpec } from './parse-options.ts';

/** What completes an option's value: names of files or directories, words, or nothing that a shell could know. */
export type ValueKind =
  | { readonly kind: 'none' }
  | { readonly kind: 'file' }
  | { readonly kind: 'directory' }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'unknown' };

/** One option as a shell sees it. */
export interface ShellOption {
  /** As typed, the long one first: `--output`, `-o`. */
  readonly names: readonly string[];
  readonly spec: OptionSpec;
  readonly value: ValueKind;
}

/** Values whose placeholder in help texts says what they are. */
const FILES = new Set(['FILE', 'BUNDLE', 'KEY', 'PUBKEY']);
const DIRECTORIES = new Set(['DIR']);

export interface ShellCommand {
  /** One word, or two of a group. */
  readonly words: readonly string[];
  readonly command: Command;
  readonly options: readonly ShellOption[];
  /** Its arguments beside the options; `none` where it takes none. */
  readonly argument: ValueKind;
}

/** The commands as a shell sees them. */
export function shellCommands(commands: readonly Command[]): ShellCommand[] {
  return commands.map((command) => ({
    words: command.name.split(' '),
    command,
    options: Object.entries({ ...command.options, ...HELP_OPTION }).map(([name, spec]) => ({
      names: [`--${name}`, ...(spec.short === undefined ? [] : [`-${spec.short}`])],
      spec,
      value: valueKind(spec),
    })),
    argument: argumentKind(command),
  }));
}

/** The first words there are, each with a line about it; of a group its commands' second words. */
export function firstWords(commands: readonly ShellCommand[]): ReadonlyMap<string, string> {
  const about = new Map<string, string>();
  for (const { words, command } of commands) {
    const [first = ''] = words;
    const group = commands.filter((other) => other.words[0] === first && other.words.length > 1);
    const seconds = group.map((other) => other.words[1]).join(', ');
    about.set(first, words.length === 1 ? command.summary : `${seconds}.`);
  }
  about.set('help', 'What a command is for, and its options.');
  return about;
}

/** The words that have commands of two words. */
export function groups(commands: readonly ShellCommand[]): string[] {
  return [...new Set(commands.filter(({ words }) => words.length > 1).map(({ words }) => words[0] ?? ''))];
}

/** The name of the completing function in both shells. */
export const COMPLETING = `_${PRODUCT.name.replaceAll('-', '_')}`;

function valueKind({ type, value = '', values }: OptionSpec): ValueKind {
  if (type === 'boolean') return { kind: 'none' };
  if (values !== undefined) return { kind: 'words', words: values };
  if (FILES.has(value)) return { kind: 'file' };
  return DIRECTORIES.has(value) ? { kind: 'directory' } : { kind: 'unknown' };
}

/** By the words of its usage: `BUNDLE`, `SELECTOR...`. */
function argumentKind({ positionals }: Command): ValueKind {
  if (positionals === undefined) return { kind: 'none' };
  const names = positionals.usage.split(/[^A-Z]+/);
  return names.some((name) => FILES.has(name)) ? { kind: 'file' } : { kind: 'unknown' };
}
