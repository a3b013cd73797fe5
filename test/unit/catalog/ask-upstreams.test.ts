import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createAskUpstreams, type LookupAnswer, type Question } from '../../../src/catalog/ask-upstreams.ts';
import { createFeed } from '../../../src/catalog/feed.ts';
import type { ManifestAnswer } from '../../../src/upstream/upstream.ts';
import { DEMAND } from '../../../src/upstream/urgency.ts';
import { catalogBench, catalogUpstream, down, imageOf, never, uuidOf, type CatalogUpstream } from './fake-catalog.ts';

/** Long enough that no test waits for it by accident; those that mean to take another. */
const LONG_MS = 60_000;

interface Bench {
  readonly ups: readonly CatalogUpstream[];
  /** Names of upstreams: those that are tripped, of them those whose probe is due, those without a token. */
  readonly tripped: Set<string>;
  readonly due: Set<string>;
  readonly spent: Set<string>;
  readonly keptOrigins: Set<string>;
  /** What was reported and refused, in order. */
  readonly events: string[];
  ask(over?: Partial<Question>): Promise<LookupAnswer>;
}

function bench(t: TestContext, precedenceWaitMs = LONG_MS): Bench {
  const { records, log, trust, keptChannels } = catalogBench(t);
  const ups = ['up0', 'up1', 'up2'].map((name) => catalogUpstream(name));
  const feeds = ups.map((upstream) => createFeed({ upstream, records, trust, keptChannels, log, now: () => 0 }));
  const [tripped, due, spent, keptOrigins] = [
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
  ];
  const events: string[] = [];
  const askAll = createAskUpstreams(
    {
      feeds: () => feeds,
      healthOf: (name) => ({
        isTripped: () => tripped.has(name),
        isProbeDue: () => due.has(name),
        report: (_kind, outcome) => void events.push(`${name} ${outcome}`),
      }),
      budget: { take: (name) => !spent.has(name) },
      isKeptOrigin: async (uuid) => keptOrigins.has(uuid),
      onRefused: (name) => void events.push(`${name} refused`),
      log,
    },
    { precedenceWaitMs },
  );
  const abort = new AbortController();
  t.after(() => abort.abort());
  const question = { uuid: uuidOf(9), channel: undefined, requestId: 'r', urgency: DEMAND, isKnownOrigin: false };
  const ask = async (over: Partial<Question> = {}): Promise<LookupAnswer> =>
    askAll({ ...question, ...over }, abort.signal);
  return { ups, tripped, due, spent, keptOrigins, events, ask };
}

const found = (): ManifestAnswer => ({ kind: 'found', json: imageOf(9).json });
const asked = ({ ups }: Bench): number[] => ups.map(({ manifests }) => manifests.length);

function foundAt(answer: LookupAnswer): string {
  assert.ok(answer.kind === 'found', JSON.stringify(answer));
  return answer.entry.upstream;
}

test('a sick upstream is neither asked nor waited for where another has the image', async (t) => {
  const it = bench(t);
  it.tripped.add('up0');
  it.ups[0]!.onManifest = never;
  it.ups[1]!.onManifest = found;
  assert.equal(foundAt(await it.ask()), 'up1');
  assert.deepEqual(asked(it), [0, 1, 1]);
});

test('when its probe is due it is asked, and still not waited for', async (t) => {
  const it = bench(t);
  it.tripped.add('up0');
  it.due.add('up0');
  it.ups[0]!.onManifest = never;
  it.ups[1]!.onManifest = found;
  assert.equal(foundAt(await it.ask()), 'up1');
  assert.deepEqual(asked(it), [1, 1, 1]);
  assert.equal(it.ups[0]!.manifests[0]?.signal.aborted, false, 'its outcome is of use');
});

test('it is asked where nobody else has the image, and can be the one that has', async (t) => {
  for (const isDue of [false, true]) {
    const it = bench(t);
    it.tripped.add('up0');
    if (isDue) it.due.add('up0');
    it.ups[0]!.onManifest = found;
    assert.equal(foundAt(await it.ask()), 'up0');
    assert.deepEqual(asked(it), [1, 1, 1]);
  }
});

test('its "no" counts like any other: absent is what all have said', async (t) => {
  const it = bench(t);
  it.tripped.add('up1');
  assert.deepEqual(await it.ask(), { kind: 'absent' });
});

test('where it hangs and the others say no the answer is unknown after a moment, and the hanging is held against it', async (t) => {
  const it = bench(t, 20);
  it.tripped.add('up0');
  it.ups[0]!.onManifest = never;
  const answer = await it.ask();
  assert.ok(answer.kind === 'unknown');
  assert.match(answer.why, /^upstream up0: has failed lately/);
  assert.deepEqual(it.events, ['up0 failed']);
});

test('where all are sick all are waited for: nobody else could answer', async (t) => {
  const it = bench(t, 10);
  for (const { name } of it.ups) it.tripped.add(name);
  it.ups[1]!.onManifest = () => down('up1');
  it.ups[2]!.onManifest = async () => {
    await new Promise((resolve) => {
      setTimeout(resolve, 60);
    });
    return found();
  };
  assert.equal(foundAt(await it.ask()), 'up2');
});

test('a healthy one that others had to answer for after the window is reported as failing', async (t) => {
  const it = bench(t, 20);
  it.ups[0]!.onManifest = never;
  it.ups[1]!.onManifest = found;
  assert.equal(foundAt(await it.ask()), 'up1');
  assert.deepEqual(it.events, ['up0 failed']);
  assert.equal(it.ups[0]!.manifests[0]?.signal.aborted, true);
});

test('one that is merely not waited for is not', async (t) => {
  const it = bench(t);
  it.ups[0]!.onManifest = found;
  it.ups[1]!.onManifest = never;
  assert.equal(foundAt(await it.ask()), 'up0');
  assert.deepEqual(it.events, []);
});

test('without a token an upstream is unknown at once and not asked; another may have the image', async (t) => {
  const it = bench(t);
  it.spent.add('up0');
  const answer = await it.ask();
  assert.ok(answer.kind === 'unknown');
  assert.match(answer.why, /^upstream up0: too many images/);
  assert.deepEqual(it.events, ['up0 refused']);
  it.ups[2]!.onManifest = found;
  assert.equal(foundAt(await it.ask()), 'up2');
  assert.deepEqual(asked(it), [0, 2, 2]);
});

test('origins that a known or a kept image names need no token', async (t) => {
  const it = bench(t);
  for (const { name } of it.ups) it.spent.add(name);
  assert.deepEqual(await it.ask({ isKnownOrigin: true }), { kind: 'absent' });
  it.keptOrigins.add(uuidOf(9));
  assert.deepEqual(await it.ask(), { kind: 'absent' });
  assert.deepEqual(it.events, []);
});
