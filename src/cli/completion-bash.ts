/** `completion bash`: a function for bash's `complete`, which needs nothing but bash (3.2 or newer). PURE. */
import { PRODUCT } from '../config/product.ts';
import type { Command } from './commands.ts';
import { COMPLETING, firstWords, groups, shellCommands, type ShellCommand, type ShellOption } from './completion.ts';

/** Neither an option nor the value of one. */
const ARGUMENT_ARM = `        *) if [[ $cur != -* ]]; then kind=file; fi ;;\n`;

export function bashCompletion(commands: readonly Command[]): string {
  const all = shellCommands(commands);
  const seconds = groups(all).map((group) => {
    const own = all.filter(({ words: [first] }) => first === group).map(({ words: [, second = ''] }) => second);
    return `    ${group})
      command="${group} \${COMP_WORDS[2]}"
      if [[ $COMP_CWORD -eq 2 ]]; then
        COMPREPLY=($(compgen -W '${own.join(' ')} --help' -- "$cur"))
        return
      fi
      ;;
`;
  });
  return `# bash completion for ${PRODUCT.name}. For this shell: source <(${PRODUCT.name} completion bash)
# For every shell: ${PRODUCT.name} completion bash >/etc/bash_completion.d/${PRODUCT.name}

${COMPLETING}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev= command= options= words= kind=
  if [[ $COMP_CWORD -gt 0 ]]; then prev=\${COMP_WORDS[COMP_CWORD-1]}; fi
  COMPREPLY=()
  # readline takes --option=value apart at the "=".
  if [[ $cur == '=' ]]; then
    cur=
  elif [[ $prev == '=' && $COMP_CWORD -gt 1 ]]; then
    prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W '${[...firstWords(all).keys()].join(' ')} --help --version' -- "$cur"))
    return
  fi
  command=\${COMP_WORDS[1]}
  case "$command" in
    help)
      COMPREPLY=($(compgen -W '${[...firstWords(all).keys()].filter((word) => word !== 'help').join(' ')}' -- "$cur"))
      return
      ;;
${seconds.join('')}  esac
  case "$command" in
${all.map(commandArm).join('')}  esac
  local IFS=$'\\n'
  case "$kind" in
    file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    directory) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")) ;;
    words) IFS=$' \\n'; COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    unknown) ;;
    *) IFS=$' \\n'; COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
  esac
}

complete -F ${COMPLETING} ${PRODUCT.name}
`;
}

function commandArm({ command, options, argument }: ShellCommand): string {
  const names = options.flatMap((option) => option.names.filter((name) => name.startsWith('--')));
  const arms = options.map(optionArm).filter((arm) => arm !== '');
  return `    '${command.name}')
      options='${names.join(' ')}'
      case "$prev" in
${arms.join('')}${argument.kind === 'file' ? ARGUMENT_ARM : ''}      esac
      ;;
`;
}

function optionArm({ names, value }: ShellOption): string {
  if (value.kind === 'none') return '';
  const words = value.kind === 'words' ? ` words='${value.words.join(' ')}'` : '';
  return `        ${names.join(' | ')}) kind=${value.kind}${words} ;;\n`;
}
