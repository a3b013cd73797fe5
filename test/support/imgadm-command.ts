/**
 * A stand-in for the command imgadm, for documents whose commands are run. It speaks to its sources as imgadm does, and keeps sources and
 * installed images in files of the working directory.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseManifest } from '../../src/imgapi/manifest.ts';
import { createImgadmClient, type ImgadmClient } from './imgadm-client.ts';

/** Files of a line each. */
const SOURCES = 'sources';
const INSTALLED = 'installed';

const [verb, ...args] = process.argv.slice(2);
await run();

async function run(): Promise<void> {
  if (verb === 'sources') return sources();
  if (verb === 'avail') return avail();
  if (verb === 'import') return importImage(args[0] ?? '');
  if (verb === 'install') return install(args[args.indexOf('-m') + 1] ?? '', args[args.indexOf('-f') + 1] ?? '');
  throw new Error(`imgadm ${verb}?`);
}

async function sources(): Promise<void> {
  const [option, url = ''] = args;
  if (option === '-a') {
    const { isAccepted } = await ask(url, async (imgadm) => imgadm.ping());
    if (!isAccepted) throw new Error(`${url} is no image server`);
    writeLines(SOURCES, [...readLines(SOURCES), url]);
  } else if (option === '-d') {
    writeLines(
      SOURCES,
      readLines(SOURCES).filter((source) => source !== url),
    );
  }
  say(readLines(SOURCES).join('\n'));
}

async function avail(): Promise<void> {
  for (const source of readLines(SOURCES)) {
    const { outcome, reason, images } = await ask(source, async (imgadm) => imgadm.avail());
    if (outcome !== 'listed') throw new Error(`${source}: ${reason}`);
    for (const { uuid, name, version } of images) say(`${String(uuid)}  ${String(name)}  ${String(version)}`);
  }
}

async function importImage(uuid: string): Promise<void> {
  const [source = ''] = readLines(SOURCES);
  const { manifests } = await ask(source, async (imgadm) => imgadm.importImage(uuid));
  const uuids = manifests.map((manifest) => String(manifest['uuid']));
  writeLines(INSTALLED, [...readLines(INSTALLED), ...uuids]);
  say(`Imported ${uuids.join(' on ')}`);
}

/** From files, as `imgadm install -m MANIFEST -f FILE`: the origin has to be there, and the file has to be right. */
function install(manifestFile: string, file: string): void {
  const parsed = parseManifest(JSON.parse(readFileSync(manifestFile, 'utf8')));
  if (!parsed.ok) throw new Error(`${manifestFile}: ${parsed.problem}`);
  const { uuid, origin, files } = parsed.manifest;
  const bytes = readFileSync(file);
  const sha1 = createHash('sha1').update(bytes).digest('hex');
  if (sha1 !== files[0]?.sha1 || bytes.length !== files[0].size)
    throw new Error(`${file} is not the file of ${manifestFile}`);
  const installed = readLines(INSTALLED);
  if (origin !== undefined && !installed.includes(origin)) throw new Error(`the origin ${origin} is not installed`);
  writeLines(INSTALLED, [...installed, uuid]);
  say(`Installed ${uuid}`);
}

async function ask<T>(url: string, question: (imgadm: ImgadmClient) => Promise<T>): Promise<T> {
  const imgadm = createImgadmClient({ url });
  try {
    return await question(imgadm);
  } finally {
    imgadm.close();
  }
}

function readLines(file: string): string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function writeLines(file: string, lines: readonly string[]): void {
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
