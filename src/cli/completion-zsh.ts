/** `completion zsh`: a function for zsh's completion system, to be sourced or put where `fpath` finds it. PURE. */
import { PRODUCT } from '../config/product.ts';
import { shellQuote } from '../config/shell-quote.ts';
import type { Command } from './commands.ts';
import { COMPLETING, firstWords, groups, shellCommands, type ShellCommand, type ShellOption } from './completion.ts';

export function zshCompletion(commands: readonly Command[]): string {
  const all = shellCommands(commands);
  const words = firstWords(all);
  const seconds = groups(all).map((group) => {
    const own = new Map(
      all
        .filter(({ words: [first] }) => first === group)
        .map(({ words: [, word = ''], command }) => [word, command.summary]),
    );
    return `    ${group})
      if (( CURRENT == 3 )); then
        found=(
${described(own)}        )
        _describe -t commands 'command' found
        return
      fi
      (( CURRENT > 3 )) && name="${group} $words[3]" count=2
      ;;
`;
  });
  return `#compdef ${PRODUCT.name}
# zsh completion for ${PRODUCT.name}. For this shell: source <(${PRODUCT.name} completion zsh)
# For every shell: ${PRODUCT.name} completion zsh >/usr/local/share/zsh/site-functions/${COMPLETING}

${COMPLETING}() {
  local -a found
  local name=$words[2] count=1
  if (( CURRENT == 2 )) || [[ $name == help && CURRENT -eq 3 ]]; then
    found=(
${described(words)}    )
    _describe -t commands 'command' found
    return
  fi
  case "$name" in
${seconds.join('')}  esac
  # What is left is the command and its arguments.
  shift $count words
  (( CURRENT -= count ))
  case "$name" in
${all.map(commandArm).join('')}  esac
}

# Loaded by its name, it is called at once; sourced, it is registered.
if [[ "$funcstack[1]" == ${COMPLETING} ]]; then
  ${COMPLETING} "$@"
else
  compdef ${COMPLETING} ${PRODUCT.name}
fi
`;
}

function commandArm({ command, options, argument }: ShellCommand): string {
  const rest = argument.kind === 'none' ? [] : [`*:argument:${argument.kind === 'file' ? '_files' : ' '}`];
  const specs = [...options.map(optionSpec), ...rest].map((spec) => `        ${shellQuote(spec)}`);
  return `    ${shellQuote(command.name)})
      _arguments -s \\
${specs.join(' \\\n')}
      ;;
`;
}

/** `--name=[about]:VALUE:action`, as _arguments wants it; a short name is left to the help text. */
function optionSpec({ names: [name = ''], spec, value }: ShellOption): string {
  const repeated = spec.multiple === true ? '*' : '';
  const about = `[${spec.help.replaceAll(/[[\]\\:]/g, String.raw`\$&`)}]`;
  if (value.kind === 'none') return `${repeated}${name}${about}`;
  const label = (spec.value ?? 'VALUE').replaceAll(/[\\:]/g, String.raw`\$&`);
  const action =
    value.kind === 'words'
      ? `(${value.words.join(' ')})`
      : { file: '_files', directory: '_files -/', unknown: ' ' }[value.kind];
  return `${repeated}${name}=${about}:${label}:${action}`;
}

/** `'word:about'`, one per line, as _describe wants them. */
function described(words: ReadonlyMap<string, string>): string {
  return [...words]
    .map(([word, about]) => `      ${shellQuote(`${word}:${about.replaceAll(':', String.raw`\:`)}`)}\n`)
    .join('');
}
