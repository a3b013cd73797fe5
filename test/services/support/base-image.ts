/** A stand-in for the official Node image, made of what this machine has: Debian's packages, this Node, this npm. */
import { access, appendFile, cp, mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { Buildah } from './buildah.ts';
import { runCommand } from './run-command.ts';

/** Makes it, and tags it `name` in buildah's store. About 30 s. Nothing but apt's own sources is asked. */
export async function makeBaseImage(buildah: Buildah, name: string): Promise<void> {
  const container = await buildah.run(['from', 'scratch']);
  const root = await buildah.run(['mount', container]);
  const args = [
    '--quiet',
    '--variant=essential',
    '--include=libstdc++6',
    '--format=directory',
    ...(await aptOptions()),
  ];
  await runCommand('mmdebstrap', [...args, await codename(), root, ...(await aptSources())], { deadlineMs: 300_000 });
  await addNode(root);
  await buildah.run(['commit', '--quiet', container, name]);
  await buildah.run(['rm', container]);
}

/** Where the official image has it, with yarn and its user. */
async function addNode(root: string): Promise<void> {
  const local = join(root, 'usr/local');
  await mkdir(join(local, 'bin'), { recursive: true });
  await cp(process.execPath, join(local, 'bin/node'), { dereference: true });
  await cp(await npmDirectory(), join(local, 'lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  await symlink('../lib/node_modules/npm/bin/npx-cli.js', join(local, 'bin/npx'));
  await mkdir(join(root, 'opt/yarn-v1.22.22/bin'), { recursive: true });
  await writeFile(join(root, 'opt/yarn-v1.22.22/bin/yarn'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('/opt/yarn-v1.22.22/bin/yarn', join(local, 'bin/yarn'));
  await appendFile(join(root, 'etc/passwd'), 'node:x:1000:1000::/home/node:/bin/sh\n');
  await appendFile(join(root, 'etc/group'), 'node:x:1000:\n');
}

/** The machine's npm: the one that runs this script, or else the first on the PATH. */
async function npmDirectory(): Promise<string> {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'npm'));
  for (const candidate of [process.env['npm_execpath'] ?? '', ...candidates]) {
    // Most directories of the PATH have none.
    const path = await realpath(candidate).catch(() => undefined);
    if (path?.endsWith('/bin/npm-cli.js')) return dirname(dirname(path));
  }
  throw new Error('no npm on the PATH to put into the base image');
}

async function codename(): Promise<string> {
  const found = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (found === undefined) throw new Error('/etc/os-release has no VERSION_CODENAME');
  return found;
}

/** The file with Debian's own sources; others need keys that the new root does not have. */
async function aptSources(): Promise<string[]> {
  for (const file of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    if (await exists(file)) return [file];
  }
  return [];
}

/** How this machine reaches its packages: proxies, certificates, snapshots whose time is over. */
async function aptOptions(): Promise<string[]> {
  const dump = await runCommand('apt-config', ['dump']);
  const wanted = dump.split('\n').filter((line) => /^Acquire::(https?::|Check-)/.test(line));
  return wanted.map((line) => `--aptopt=${line}`);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
