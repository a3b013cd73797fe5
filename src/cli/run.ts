/** Finds the command that was typed and runs it. */
import { nearest } from '../config/nearest.ts';
import { escape } from '../config/problem.ts';
import { PRODUCT } from '../config/product.ts';
import { COMMANDS, type Command } from './commands.ts';
import { HELP_OPTION } from './flags.ts';
import { commandHelp, overview } from './help.ts';
import { EXIT, type CommandIo } from './io.ts';
import { parseOptions } from './parse-options.ts';

/** Runs one command line. Returns the exit code: 0 done, 1 failed, 2 wrong usage or configuration. */
export async function runCli(io: CommandIo): Promise<number> {
  const [first, ...rest] = io.args;
  if (first === undefined) return usage(io, overview(COMMANDS));
  if (first === '--help' || first === '-h') return done(io, overview(COMMANDS));
  if (first === '--version' || first === '-V') return done(io, `${PRODUCT.name} ${PRODUCT.version}\n`);
  if (first === 'help') return help(io, rest);
  if (first.startsWith('-')) return mistake(io, `the command comes first, then its options: found ${escape(first)}`);
  const found = find(io.args);
  if (found === undefined) return unknownCommand(io, io.args);
  const { command, args } = found;
  // Asked for with some other mistake on the line, help is still what is needed.
  if (args.includes('--help') || args.includes('-h')) return done(io, commandHelp(command));
  const { min, max, usage: expected } = command.positionals ?? { min: 0, max: 0, usage: '' };
  const parsed = parseOptions(args, { ...command.options, ...HELP_OPTION }, max);
  if (!parsed.ok) return mistake(io, parsed.message, command.name);
  const { options, positionals } = parsed;
  if (positionals.length < min) return mistake(io, `${command.name} needs ${expected}`, command.name);
  const split = expected.includes('SELECTOR') ? splitSelector(positionals) : undefined;
  if (split !== undefined) return mistake(io, split, command.name);
  return command.run(options, io, positionals);
}

/**
 * A selector without its quotes is several: of `name=x latest=1` the second means the newest of every name, and with `with-origins` all
 * there is. Who wants that beside others can say `name=*`.
 */
function splitSelector(selectors: readonly string[]): string | undefined {
  if (selectors.length < 2) return undefined;
  const bare = selectors.find((text) => /^(?:latest=\S*|with-origins|\s)+$/.test(text));
  if (bare === undefined) return undefined;
  const whole = `'${[...selectors.filter((text) => text !== bare), bare].join(' ')}'`;
  return `${escape(JSON.stringify(bare))} is a selector of its own here, of all images; one selector is one argument, in quotes: ${escape(whole)}`;
}

function find(args: readonly string[]): { readonly command: Command; readonly args: readonly string[] } | undefined {
  for (const words of [2, 1]) {
    const command = COMMANDS.find(({ name }) => name === args.slice(0, words).join(' '));
    if (command !== undefined) return { command, args: args.slice(words) };
  }
  return undefined;
}

function help(io: CommandIo, words: readonly string[]): number {
  if (words.length === 0) return done(io, overview(COMMANDS));
  const text = helpOf(words);
  return text === undefined ? unknownCommand(io, words) : done(io, text);
}

/** The help of one command, or of all of a group. */
function helpOf(words: readonly string[]): string | undefined {
  const name = words.join(' ');
  const command = COMMANDS.find((known) => known.name === name);
  if (command !== undefined) return commandHelp(command);
  const group = COMMANDS.filter((known) => known.name.startsWith(`${name} `));
  return group.length === 0 ? undefined : overview(group);
}

function unknownCommand(io: CommandIo, words: readonly string[]): number {
  const [first = '', second] = words;
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0) {
    if (second === '--help' || second === '-h') return done(io, overview(group));
    if (second === undefined || second.startsWith('-')) return usage(io, overview(group));
    return unknown(io, `${first} ${second}`, group);
  }
  return unknown(io, first, COMMANDS);
}

function unknown(io: CommandIo, typed: string, candidates: readonly Command[]): number {
  const names = candidates.map(({ name }) => name);
  const near = nearest(typed, [...names, ...names.map((name) => name.split(' ')[0] ?? name)]);
  return mistake(
    io,
    `unknown command ${escape(JSON.stringify(typed))}; ${near === undefined ? `known: ${names.join(', ')}` : `did you mean ${near}?`}`,
  );
}

function mistake(io: CommandIo, message: string, command?: string): number {
  const more = command === undefined ? `${PRODUCT.name} --help` : `${PRODUCT.name} ${command} --help`;
  return usage(io, `${PRODUCT.name}: ${message} (${more})\n`);
}

function usage(io: CommandIo, text: string): number {
  io.stderr.write(text);
  return EXIT.usage;
}

function done(io: CommandIo, text: string): number {
  io.stdout.write(text);
  return EXIT.done;
}
