/** `GET /images`, as `imgadm avail` asks it: what it cannot read it takes for an empty list, without a word. */
import { counted, roughSize } from '../config/units.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import { comparePublishedAt } from '../imgapi/published-at.ts';
import { ok, problem, warning, type Finding } from './finding.ts';
import { failureOf, headFindings, parseAnswer } from './json-answer.ts';
import { ProbeError, type ProbeAnswer } from './probe.ts';
import type { Subject } from './subject.ts';

/** From so many images on a client asks for another page (imgadm, sdc-clients). */
const PAGE = 1000;
const SILENT = 'imgadm shows an empty list for it and no error';

/** The images of the list that are sound; undefined if there is no list. */
export async function checkList({ probe, report, limits }: Subject): Promise<readonly Manifest[] | undefined> {
  const ask = async (query: string): Promise<ProbeAnswer> =>
    probe.ask({ path: `/images${query}`, deadlineMs: limits.listMs, maxBytes: limits.listBytes });
  let answer: ProbeAnswer;
  try {
    answer = await ask('');
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    report(problem('list', `no list: ${error.message}`, 'look at the mirror’s log; imgadm avail would fail or hang'));
    return undefined;
  }
  if (answer.status !== 200) {
    const todo = answer.status < 400 ? `${SILENT}: correct the URL` : 'look at the mirror’s log and at its upstreams';
    report(problem('list', failureOf(answer), todo));
    return undefined;
  }
  const read = parseAnswer(answer);
  for (const finding of headFindings('list', answer, read)) report(finding);
  if (!read.ok || !Array.isArray(read.value)) {
    const found = read.ok ? 'the list is JSON, but no array' : `the list: ${read.problem}`;
    report(problem('list', found, `${SILENT}: look at the mirror’s log, or for a proxy that answers in its place`));
    return undefined;
  }
  const entries: readonly unknown[] = read.value;
  const { manifests, findings } = judgeList(entries);
  for (const finding of findings) report(finding);
  const bytes = manifests.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0);
  report(
    ok(
      'list',
      `${counted(entries.length, 'image')}, ${roughSize(answer.bodyBytes)} of JSON in ${Math.round(answer.headersMs)} ms; their files have ${roughSize(bytes)}`,
    ),
  );
  const last = manifests.at(-1);
  if (entries.length >= PAGE && last !== undefined) report(await checkPaging(ask, last.uuid));
  return manifests;
}

/** What is wrong with a list's entries and their order. PURE. */
function judgeList(entries: readonly unknown[]): {
  readonly manifests: readonly Manifest[];
  readonly findings: readonly Finding[];
} {
  const findings: Finding[] = [];
  const manifests: Manifest[] = [];
  const problems: string[] = [];
  for (const entry of entries) {
    const parsed = parseManifest(entry);
    if (parsed.ok) manifests.push(parsed.manifest);
    else problems.push(`${parsed.uuid ?? 'an entry'}: ${parsed.problem}`);
  }
  if (problems.length > 0) {
    const found = `${counted(problems.length, 'entry', 'entries')} that imgadm fails on, such as ${problems[0]}`;
    findings.push(
      problem('list', found, 'one is enough to break imgadm avail for all sources: have the server drop it'),
    );
  }
  if (entries.length === 0) {
    findings.push(warning('list', 'the list is empty', 'see whether the mirror’s upstreams answer, and its filters'));
  }
  const seen = new Set<string>();
  let doubles = 0;
  let inactive = 0;
  let misplaced = 0;
  let before: Manifest | undefined;
  for (const manifest of manifests) {
    if (seen.has(manifest.uuid)) doubles += 1;
    seen.add(manifest.uuid);
    if (manifest.state !== 'active') inactive += 1;
    if (before !== undefined && comparePublishedAt(before.publishedAt, manifest.publishedAt) > 0) misplaced += 1;
    before = manifest;
  }
  if (doubles > 0) {
    findings.push(
      warning('list', `${counted(doubles, 'image')} listed twice`, 'clients show them twice; see the server'),
    );
  }
  if (inactive > 0) {
    const todo = 'a list holds active images only; imgadm import refuses the others';
    findings.push(warning('list', `${counted(inactive, 'image')} listed that are not active`, todo));
  }
  if (misplaced > 0) {
    const todo = 'clients page by the last uuid of published_at order; others lose images';
    findings.push(
      warning('list', `the list is not in the order of published_at (${counted(misplaced, 'place')})`, todo),
    );
  }
  return { manifests, findings };
}

/** What a client with a full page asks next: the page from the last uuid on must be there, and begin with it or be empty. */
async function checkPaging(ask: (query: string) => Promise<ProbeAnswer>, last: ImageUuid): Promise<Finding> {
  const todo = 'imgadm loses images, or all of them, when the second page fails: look at the mirror’s log';
  try {
    const answer = await ask(`?marker=${last}&limit=${PAGE}`);
    if (answer.status !== 200) return problem('list', `the page after ${last}: ${failureOf(answer)}`, todo);
    const read = parseAnswer(answer);
    if (!read.ok) return problem('list', `the page after ${last}: ${read.problem}`, todo);
    const [first]: readonly unknown[] = Array.isArray(read.value) ? read.value : [{}];
    const parsed = first === undefined ? undefined : parseManifest(first);
    const isRight = parsed === undefined || (parsed.ok && parsed.manifest.uuid === last);
    if (!isRight) return problem('list', `the page from ${last} on does not begin with it`, todo);
    return ok('list', 'paging goes on where the list ends');
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return problem('list', `the page after ${last}: ${error.message}`, todo);
  }
}
