/** What is made for shells, run by shells that not every machine has: zsh completes, and ksh93, which is SmartOS's sh, sets a host up. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { zshCompletion } from '../../src/cli/completion-zsh.ts';
import { setupScript } from '../../src/http/setup-script.ts';
import { makeFakeImgadm } from '../support/fake-imgadm.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { hasNeeds } from './support/need.ts';
import { runCommand } from './support/run-command.ts';

/**
 * Types each argument after the first into an interactive zsh, presses tab, and prints the line there is then. The first one is the
 * completion to load.
 */
const TYPIST = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= RPS1= PS2=; unsetopt prompt_cr prompt_sp; autoload -Uz compinit; compinit -u -D; source $1
  show() { print; print -r -- \\"<<\\$BUFFER>>\\"; BUFFER=; zle accept-line }
  zle -N show; bindkey '^Xs' show; print REA''DY"
zpty -r z seen '*READY*'
shift
for typed; do
  zpty -w -n z "$typed"$'\\t\\x18s'
  zpty -r z seen '*<<*>>*'
  print -r -- "\${\${seen##*<<}%%>>*}"
done
zpty -d z
`;

test('zsh completes commands, options and their values', async (t) => {
  if (!hasNeeds(t, { tools: { zsh: 'zsh' } })) return;
  const dir = await makeTempDir(t);
  const [typist, completion] = [path.join(dir, 'typist.zsh'), path.join(dir, 'completion.zsh')];
  await writeFile(typist, TYPIST);
  await writeFile(completion, zshCompletion(COMMANDS));
  await writeFile(path.join(dir, 'mirror.yaml'), '');
  const typed = [
    ['imgapi-mirror do', 'imgapi-mirror doctor '],
    ['imgapi-mirror config ch', 'imgapi-mirror config check '],
    ['imgapi-mirror help doc', 'imgapi-mirror help doctor '],
    ['imgapi-mirror config print --off', 'imgapi-mirror config print --offline '],
    ['imgapi-mirror serve --log-level de', 'imgapi-mirror serve --log-level debug '],
    ['imgapi-mirror serve --log-level=de', 'imgapi-mirror serve --log-level=debug '],
    [`imgapi-mirror serve --config ${dir}/mir`, `imgapi-mirror serve --config ${dir}/mirror.yaml `],
  ] as const;
  const args = ['-f', typist, completion, ...typed.map(([text]) => text)];
  const out = await runCommand('zsh', args, { env: { HOME: dir, TERM: 'dumb' }, deadlineMs: 30_000 });
  assert.deepEqual(
    out.split('\n').map((line) => line.trimEnd()),
    typed.map(([, completed]) => completed.trimEnd()),
  );
});

test('ksh93 adds the mirror once, and removes nothing', async (t) => {
  if (!hasNeeds(t, { tools: { ksh93: 'ksh93u+m' } })) return;
  const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: ['https://images.smartos.org'] });
  const script = setupScript({ url: 'http://[2001:db8::1]:8080', product: 'imgapi-mirror/0' });
  const shell = await runCommand('sh', ['-c', 'command -v ksh93']);
  const first = await imgadm.run(shell, script);
  assert.deepEqual([first.code, first.err], [0, '']);
  assert.match(first.out, /imgadm sources -d 'https:\/\/images\.smartos\.org'\n$/);
  const second = await imgadm.run(shell, script);
  assert.match(second.out, /^Already a source of this host: http:\/\/\[2001:db8::1\]:8080\n/);
  assert.deepEqual(await imgadm.calls(), ['sources', 'sources|-a|http://[2001:db8::1]:8080', 'sources']);
});
