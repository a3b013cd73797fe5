/** A stand-in for imgadm that keeps its sources in a file and records how it was called, for scripts run by real shells. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface FakeImgadm {
  /** Runs a script on this shell's standard input, as `curl ... | sh` does. */
  run(
    shell: string,
    script: string,
  ): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
  sources(): Promise<string[]>;
  /** Its calls so far: their arguments, joined by `|`. */
  calls(): Promise<string[]>;
}

export interface FakeImgadmOptions {
  readonly sources?: readonly string[];
  /** True: there is no imgadm. */
  readonly isAbsent?: boolean;
  /** True: `sources -a` is refused, as for a server that is not an image server. */
  readonly refusesToAdd?: boolean;
}

/** In an empty directory `dir`: nothing but it, and the programs a shell script may need, is on the PATH. */
export async function makeFakeImgadm(dir: string, options: FakeImgadmOptions = {}): Promise<FakeImgadm> {
  const bin = path.join(dir, 'bin');
  const [sourcesFile, callsFile] = [path.join(dir, 'sources'), path.join(dir, 'calls')];
  await mkdir(bin);
  await symlink('/bin/cat', path.join(bin, 'cat'));
  await writeFile(sourcesFile, (options.sources ?? []).map((source) => `${source}\n`).join(''));
  await writeFile(callsFile, '');
  const imgadm = path.join(bin, 'imgadm');
  if (options.isAbsent !== true) {
    await writeFile(
      imgadm,
      `#!/bin/sh
(IFS='|'; printf '%s\\n' "$*") >>'${callsFile}'
# A command in a script that is read from standard input must leave that alone.
cat >/dev/null
case "$1 $2" in
  'sources ') cat '${sourcesFile}' ;;
  'sources -a')
    ${options.refusesToAdd === true ? 'echo "imgadm: error (SourcePing): not an IMGAPI" >&2; exit 1' : ''}
    printf '%s\\n' "$3" >>'${sourcesFile}'
    echo "Added \\"imgapi\\" image source \\"$3\\""
    ;;
  *) exit 3 ;;
esac
`,
    );
    await chmod(imgadm, 0o755);
  }

  return {
    sources: async () => lines(sourcesFile),
    calls: async () => lines(callsFile),
    async run(shell, script) {
      const child = spawn(shell, [], { env: { PATH: bin }, cwd: dir, timeout: 20_000, killSignal: 'SIGKILL' });
      // A shell that has exited does not read the rest.
      child.stdin.on('error', () => {});
      child.stdin.end(script);
      let [out, err] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
      const code = await new Promise<number | null>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', resolve);
      });
      return { code, out, err };
    },
  };
}

async function lines(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').slice(0, -1);
}
