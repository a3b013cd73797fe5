/** A mirror with something of everything that its pages show: hits, a pin, a conflict, an upstream that is down, a list held back, names that mean harm. */
import type { TestContext } from 'node:test';
import { startImageServer, type ImageServer } from '../../support/image-server.ts';
import { makeCatalog, makeImage, type TestImage } from '../../support/images.ts';
import { ADMIN_TOKEN, startMirror, type TestMirror } from '../../support/mirror.ts';

export interface PageSite {
  readonly mirror: TestMirror;
  readonly upstream: ImageServer;
  /** Not cached; its file comes at 1 MB/s. */
  readonly slow: TestImage;
  /** Cached; rests on `base`. */
  readonly web: TestImage;
  readonly base: TestImage;
  /** Its name is markup that would run, and its texts hold control characters. */
  readonly hostile: TestImage;
  /** Cached, and contradicted by its upstream. */
  readonly disputed: TestImage;
  /** Has all that a manifest can say: an icon, a homepage, tags, lines; rests on what nobody has; its name is long. */
  readonly talkative: TestImage;
}

const DISPUTED = '13131313-0000-4000-8000-000000000000';
const NOWHERE = '31313131-0000-4000-8000-000000000000';
/** What the upstream `labs` listed first. Now it lists nothing, which is never taken without a word. */
const LABS_BEFORE = 12;
const SLOW_BYTES = 8_000_000;

export async function startPageSite(t: TestContext, images = 120): Promise<PageSite> {
  const base = makeImage({
    name: 'base-64-lts',
    version: '23.4.0',
    size: 5_200_000,
    publishedAt: '2026-03-01T10:00:00Z',
  });
  const web = makeImage({
    name: 'web-frontend',
    version: '2.11.1',
    size: 1_400_000,
    origin: base,
    publishedAt: '2026-04-02T10:00:00Z',
  });
  const slow = makeImage({
    name: 'ubuntu-24.04',
    version: '20260501',
    os: 'linux',
    type: 'lx-dataset',
    size: SLOW_BYTES,
    publishedAt: '2026-05-01T10:00:00Z',
  });
  const hostile = makeImage({
    name: `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`,
    version: '1\u0007\u001b[31m\u202ered',
    publishedAt: '2026-05-02T10:00:00Z',
    extra: { description: `</pre></script><script src="https://evil.example.com/x.js"></script>` },
  });
  const disputed = makeImage({
    uuid: DISPUTED,
    name: 'minimal-64',
    version: '1.0',
    size: 400_000,
    contentSeed: 'first',
    publishedAt: '2026-04-03T10:00:00Z',
  });
  const talkative = makeImage({
    name: `long-${'a-name-that-does-not-end-'.repeat(9)}`.slice(0, 220),
    version: '7.7.7',
    publishedAt: '2026-04-30T10:00:00Z',
    origin: NOWHERE,
    icon: true,
    tags: { role: 'os', kernel_version: '5.10', nested: { a: [1, 2] } },
    extra: {
      homepage: 'https://docs.example.com/images?a=1&b=2',
      requirements: { min_ram: 512, networks: [{ name: 'net0', description: 'public' }] },
      description: `First line.\nSecond line, with \u001b[31m in it.\n\n${'More is said here than anybody reads. '.repeat(54)}`,
    },
  });
  const upstream = await startImageServer({
    images: [...makeCatalog(images), base, web, slow, hostile, disputed, talkative],
    behave: ({ route, uuid }) =>
      route === 'file' && uuid === slow.uuid ? { rateBytesPerSecond: 1_000_000 } : undefined,
  });
  t.after(async () => upstream.close());
  const gone = await startImageServer();
  await gone.close();
  const listed = makeCatalog(LABS_BEFORE, { seed: 'labs', firstAt: new Date(Date.UTC(2010, 0, 1)), oddities: false });
  const labs = await startImageServer({ images: listed });
  t.after(async () => labs.close());
  const mirror = await startMirror(t, {
    upstreams: [
      { name: 'images', url: upstream.url },
      { name: 'in-house', url: gone.url },
      { name: 'labs', url: labs.url },
    ],
    cache: { maxBytes: 200_000_000 },
  });
  for (const { uuid } of [base, base, web, base, disputed])
    await (await fetch(`${mirror.url}/images/${uuid}/file`)).arrayBuffer();
  await change(mirror, 'pins', { selectors: [web.uuid] });
  upstream.images.add(
    makeImage({
      uuid: DISPUTED,
      name: 'minimal-64',
      version: '1.0',
      size: 400_000,
      contentSeed: 'second',
      publishedAt: '2026-04-03T10:00:00Z',
    }),
  );
  for (const { uuid } of listed) labs.images.remove(uuid);
  await change(mirror, 'refresh', {});
  return { mirror, upstream, slow, web, base, hostile, disputed, talkative };
}

async function change(mirror: TestMirror, path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
  const answer = await fetch(`${mirror.url}/_mirror/api/${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
}
