/** Whatever a document says to type can be typed: the command is there, and so are its options. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { HELP_OPTION } from '../../../src/cli/flags.ts';
import { parseOptions } from '../../../src/cli/parse-options.ts';
import { formatSelectorProblem, parseSelectors } from '../../../src/selector/parse.ts';

const ROOT = new URL('../../../', import.meta.url);

/** Commands at the beginning of a line or of a piece of code, up to its end or to what a shell does next. */
const TYPED = /(?<=^|`|\| )(?:npx )?imgapi-mirror ([a-z][^`\n|;&]*)/gm;

/** What is wrong with a command line; undefined if nothing is. */
function problemOf(line: string): string | undefined {
  const words = (line.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll(/^['"]|['"]$/g, ''));
  const command = COMMANDS.find(({ name }) => `${words.join(' ')} `.startsWith(`${name} `));
  if (command === undefined) return 'no such command';
  const args = words.slice(command.name.split(' ').length);
  const { min, max } = command.positionals ?? { min: 0, max: 0 };
  const parsed = parseOptions(args, { ...command.options, ...HELP_OPTION }, max);
  if (!parsed.ok) return parsed.message;
  if (parsed.positionals.length < min && args.length > 0) return 'something is missing';
  if (command.positionals?.usage.includes('SELECTOR') !== true) return undefined;
  // What is all in capitals stands for something.
  const selectors = parsed.positionals.filter((word) => !/^[A-Z.]+$/.test(word));
  const result = selectors.length === 0 ? undefined : parseSelectors(selectors);
  return result?.ok === false ? result.problems.map(formatSelectorProblem).join('; ') : undefined;
}

test('every command in README and docs is there, with its options', async () => {
  const names = (await readdir(new URL('docs/', ROOT)))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`);
  let typed = 0;
  for (const name of ['README.md', ...names]) {
    const text = await readFile(new URL(name, ROOT), 'utf8');
    for (const [, rest = ''] of text.matchAll(TYPED)) {
      const line = rest.replace(/ +# .*$/, '');
      typed += 1;
      // "config check|print" stands for two.
      assert.equal(problemOf(line.trim()), undefined, `${name}: imgapi-mirror ${line}`);
    }
  }
  assert.ok(typed > 50, `only ${typed} were found`);
});

test('a command that is not there is noticed', () => {
  assert.equal(problemOf('prefetsch x'), 'no such command');
  assert.match(problemOf("prefetch 'a b' --dryrun") ?? '', /--dryrun/);
  assert.match(problemOf('show') ?? 'none', /none/, 'a mere name is fine in a sentence');
  assert.equal(problemOf('verify --trust KEY'), 'something is missing');
  assert.match(problemOf("list 'nmae=x'") ?? '', /nmae/);
});
