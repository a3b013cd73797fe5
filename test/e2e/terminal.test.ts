/** What a person sees: long commands in a pseudo-terminal, made by script(1). The same ones piped are in commands.test.ts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { startServing } from './mirror-process.ts';

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const run = promisify(execFile);

const origin = makeImage({ name: 'origin', version: '1', size: 400_000 });
const child = makeImage({ name: 'child', version: '2', size: 400_000, origin });
const other = makeImage({ name: 'other', version: '3', size: 300_000 });

interface Terminal {
  readonly cwd: string;
  readonly dir: string;
  /** Runs a command in a pseudo-terminal; all that came on its screen, escape sequences and all. */
  readonly type: (words: string) => Promise<string>;
}

/** In `cwd`, or a directory of its own: two runs after one another may work on the same. */
async function terminal(t: TestContext, upstream: string): Promise<Terminal> {
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  const inherited = Object.entries(process.env).filter(([name]) => !/^IMGAPI_MIRROR_|_proxy$/i.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    IMGAPI_MIRROR_CACHE_DIR: dir,
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'up', url: upstream }]),
  };
  return {
    cwd,
    dir,
    async type(words) {
      const command = `stty cols 100 2>/dev/null; exec '${process.execPath}' '${ENTRY}' ${words}`;
      const { stdout } = await run('script', ['-qec', command, '/dev/null'], { cwd, env, timeout: 60_000 });
      return stdout.replaceAll('\r\n', '\n');
    },
  };
}

/** The screen in the end: what was drawn over is gone. */
function lastScreen(text: string): string {
  const lines: string[] = [];
  // oxlint-disable-next-line no-control-regex -- cursor up, then erase to the end, is what bars are drawn with
  for (const part of text.split(/(\u001B\[\d+A\u001B\[J)/)) {
    // oxlint-disable-next-line no-control-regex -- as above
    const up = /^\u001B\[(\d+)A/.exec(part)?.[1];
    if (up === undefined) lines.push(...part.split('\n').slice(0, -1));
    else lines.splice(-Number(up));
  }
  return lines.join('\n');
}

for (const where of ['by the mirror that runs', 'without a mirror'] as const) {
  test(`prefetch, export and import have bars on a terminal, done ${where}`, async (t) => {
    await using upstream = await startImageServer({
      images: [origin, child, other],
      // Two seconds for all of them: long enough to be seen.
      behave: ({ route }) => (route === 'file' ? { rateBytesPerSecond: 500_000 } : undefined),
    });
    const { cwd, dir, type } = await terminal(t, upstream.url);
    if (where === 'by the mirror that runs') await startServing(t, { cwd, dir, upstreams: [`up=${upstream.url}`] });

    const prefetched = await type("prefetch 'name=child with-origins' 'name=other'");
    assert.match(prefetched, /^3 images to fetch \(3 files, 1MiB\), 0 there already$/m);
    assert.match(
      prefetched,
      new RegExp(`^origin 1 ${origin.uuid.slice(0, 8)}\\S* \\[[#-]{24}\\] +\\d+% +`, 'm'),
      'a bar of one file',
    );
    assert.match(prefetched, /^in all +\[[#-]{24}\] +\d+% .* \d of 3 files/m);
    const left = lastScreen(prefetched);
    assert.doesNotMatch(left, /\[[#-]{24}\]/, 'the bars are gone in the end');
    assert.match(left, new RegExp(`^fetched ${child.uuid} child 2$`, 'm'));
    assert.match(left, /^3 images fetched \(.*\), 0 there already$/m);
    assert.ok(left.indexOf(`fetched ${origin.uuid}`) < left.indexOf(`fetched ${child.uuid}`), 'origins come first');

    const listed = await type('list --cached');
    assert.match(listed, new RegExp(`^UUID +NAME +[^]*^${child.uuid} +child +2 .* cached$`, 'm'));
    const exported = await type('export cached -o images.bundle');
    assert.match(exported, /^export +\[[#-]{24}\] +\d+% /m);
    assert.match(lastScreen(exported), /^wrote 3 images: .*MiB\n.*images\.bundle$/);
    const verified = await type('verify images.bundle');
    assert.match(verified, /^verify +\[[#-]{24}\] +\d+% /m);
    assert.match(lastScreen(verified), /^sound: 3 images, 3 files, .*, not signed$/);
    const imported = await type('import images.bundle');
    assert.match(imported, /^import +\[[#-]{24}\] +\d+% /m);
    assert.match(lastScreen(imported), /^imported \d images: 0 files \(0B\) that were not here\nthe bundle: 3 images/);
  });
}
