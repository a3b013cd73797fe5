/** The text of docs/commands.md, from the commands themselves: what `--help` says of each. */
import { COMMANDS } from '../src/cli/commands.ts';
import { commandHelp, overview } from '../src/cli/help.ts';

const INTRODUCTION = `<!-- Written by docs/generate.ts (npm run docs) from src/cli/commands.ts. Change that, not this. -->

# Commands

What \`imgapi-mirror --help\` and \`imgapi-mirror COMMAND --help\` say. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
Where no selector selects an image there is nothing to do, which is 1; but \`list\` has listed all there is, and after \`evict\` nothing of it is here: 0.
With \`--json\` every line on standard output is one JSON value, the last one the result. \`imgapi-mirror completion bash\` and
\`imgapi-mirror completion zsh\` print what makes a shell complete all of this.
`;

/** One section for each command, in the order of the overview. */
export function commandsDocument(): string {
  const names = COMMANDS.map(({ name }) => `* [${name}](#${name.replaceAll(' ', '-')})`).join('\n');
  const sections = COMMANDS.map(
    (command) => `## ${command.name}\n\n${command.summary}\n\n${fenced(commandHelp(command))}`,
  );
  // The version would make the file stale at every release.
  const withoutVersion = overview(COMMANDS).replace(/^imgapi-mirror \S+: /, 'imgapi-mirror: ');
  return [INTRODUCTION, `${names}\n`, fenced(withoutVersion), ...sections].join('\n');
}

function fenced(text: string): string {
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;
}
