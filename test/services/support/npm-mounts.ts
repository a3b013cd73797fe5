/** Lends a build in a container this machine's way to its packages, so that none of it stands in a file of ours. */
import { access, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';

/** `--volume` arguments for `buildah build`: npm's settings, the certificates they name, and npm's cache. `dir`: for a small file. */
export async function npmMounts(dir: string): Promise<string[]> {
  const cafile = await setting('cafile');
  const certificates = cafile === '' ? (process.env['NODE_EXTRA_CA_CERTS'] ?? '') : cafile;
  const settings = [`registry=${await setting('registry')}`];
  if (certificates !== '') settings.push(`cafile=${certificates}`);
  const globalFile = join(dir, 'npmrc');
  await writeFile(globalFile, `${settings.join('\n')}\n`);

  // The cache is written to, as by any npm; the rest is only lent.
  const mounts = [`${globalFile}:/usr/local/etc/npmrc:ro`, `${await setting('cache')}:/root/.npm`];
  if (certificates !== '') mounts.push(`${certificates}:${certificates}:ro`);
  const userFile = join(homedir(), '.npmrc');
  if (await exists(userFile)) mounts.push(`${userFile}:/root/.npmrc:ro`);
  return mounts.flatMap((mount) => ['--volume', mount]);
}

/** Empty: not set. */
async function setting(key: string): Promise<string> {
  const value = await runCommand('npm', ['config', 'get', key]);
  return value === 'null' || value === 'undefined' ? '' : value;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
