/** The help texts: the overview, and one per command. */
import { PRODUCT } from '../config/product.ts';
import type { Command } from './commands.ts';
import { HELP_OPTION } from './flags.ts';
import type { OptionSpecs } from './parse-options.ts';

/** What there is to type; for `--help`, and for nothing at all. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    `${PRODUCT.name} ${PRODUCT.version}: a caching mirror for SmartOS image servers`,
    '',
    `Usage: ${PRODUCT.name} COMMAND [OPTIONS]`,
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    `Example: ${PRODUCT.name} serve --cache-dir /var/cache/imgapi-mirror`,
    `Options of a command: ${PRODUCT.name} COMMAND --help. Version: --version.`,
    '',
  ].join('\n');
}

/** A command's usage, options and example. */
export function commandHelp(command: Command): string {
  return [
    `Usage: ${PRODUCT.name} ${command.name}${command.positionals === undefined ? '' : ` ${command.positionals.usage}`} [OPTIONS]`,
    '',
    command.about,
    '',
    ...optionLines({ ...command.options, ...HELP_OPTION }),
    '',
    `Example: ${command.example}`,
    '',
  ].join('\n');
}

function optionLines(specs: OptionSpecs): string[] {
  const rows = Object.entries(specs).map(([name, { short, value, help }]) => ({
    left: `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`);
}
