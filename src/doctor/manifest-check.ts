/** `GET /images/UUID`, as `imgadm import` and `imgadm show` ask it. */
import { isDeepStrictEqual } from 'node:util';
import { manifestEtag, parseManifest, type Manifest } from '../imgapi/manifest.ts';
import { ok, problem, warning } from './finding.ts';
import { failureOf, headFindings, parseAnswer } from './json-answer.ts';
import { ProbeError, type ProbeAnswer } from './probe.ts';
import type { Subject } from './subject.ts';

const MANIFEST_BYTES = 4 * 2 ** 20;

/** `listed`: the image as the list has it. Returns it as it is by itself; undefined if it cannot be had. */
export async function checkManifest(
  { probe, report, limits }: Subject,
  listed: Manifest,
): Promise<Manifest | undefined> {
  const { uuid } = listed;
  let answer: ProbeAnswer;
  try {
    answer = await probe.ask({ path: `/images/${uuid}`, deadlineMs: limits.smallMs, maxBytes: MANIFEST_BYTES });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    report(
      problem('manifest', `${uuid}: ${error.message}`, 'imgadm import hangs or fails here: look at the mirror’s log'),
    );
    return undefined;
  }
  if (answer.status !== 200) {
    const todo = 'it is in the list, so it must be there by itself: look at the mirror’s log and its upstreams';
    report(problem('manifest', `${uuid}: ${failureOf(answer)}`, todo));
    return undefined;
  }
  const read = parseAnswer(answer);
  for (const finding of headFindings('manifest', answer, read)) report(finding);
  const parsed = read.ok ? parseManifest(read.value) : { ok: false as const, problem: read.problem };
  if (!parsed.ok) {
    report(problem('manifest', `${uuid}: ${parsed.problem}`, 'imgadm fails on it: look at the server it comes from'));
    return undefined;
  }
  const { manifest } = parsed;
  if (manifest.uuid !== uuid) {
    const todo = 'something between mixes up answers: look for a proxy that caches without heeding the path';
    report(problem('manifest', `${uuid} was asked for, ${manifest.uuid} came`, todo));
    return undefined;
  }
  if (!isDeepStrictEqual(manifest.json, listed.json)) {
    const todo = 'harmless if it has just changed; else refresh the mirror’s catalog';
    report(warning('manifest', `${uuid} differs from what the list says`, todo));
  }
  const etag = answer.header('etag')?.replaceAll('"', '');
  if (etag !== manifestEtag(manifest, 2)) {
    const found = `its Etag is ${etag ?? 'absent'}, not the SHA-1 of its JSON`;
    report(warning('manifest', found, 'clients that revalidate ask in vain: look for a proxy that changes headers'));
  }
  const { name, version } = manifest.json;
  report(ok('manifest', `${uuid} (${String(name)} ${String(version)}) in ${Math.round(answer.headersMs)} ms`));
  return manifest;
}
