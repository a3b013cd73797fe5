/** `GET /images/UUID/file`, as `imgadm import` and sdc-clients fetch it: length, MD5 and SHA-1 of every byte. */
import { createHash } from 'node:crypto';
import { isJsonObject } from '../blobs/json-file.ts';
import { roughSize } from '../config/units.ts';
import type { ImageFile, Manifest } from '../imgapi/manifest.ts';
import { ok, problem, warning } from './finding.ts';
import { failureOf, parseAnswer } from './json-answer.ts';
import { ProbeError, type ProbeAnswer } from './probe.ts';
import type { Subject } from './subject.ts';

/** An image and its first file, which is what imgadm fetches. */
export interface Candidate {
  readonly manifest: Manifest;
  readonly file: ImageFile;
}

/** How many of the smallest files are looked at one by one for one that is there already. */
const MAX_LOOKS = 8;
/** Kept of the body of an error, bytes. */
const ERROR_BYTES = 64 * 1024;

/**
 * The image to fetch, of those that fit the limit: of a mirror the smallest that it has stored, for it is to fetch nothing on our account;
 * of a server that keeps no cache the smallest. Undefined, and reported, where there is none.
 */
export async function chooseFile(subject: Subject, manifests: readonly Manifest[]): Promise<Candidate | undefined> {
  const { report, limits } = subject;
  const candidates = manifests
    .flatMap((manifest) => manifest.files.slice(0, 1).map((file) => ({ manifest, file })))
    .toSorted((a, b) => a.file.size - b.file.size);
  const small = candidates.filter(({ file }) => file.size <= limits.fileBytes);
  const [smallest] = small;
  if (smallest === undefined) {
    const [next] = candidates;
    const found = next === undefined ? 'no image has a file' : `the smallest file has ${roughSize(next.file.size)}`;
    report(
      warning('file', `${found}: none was fetched`, 'to check one, import an image on a host: imgadm checks its SHA-1'),
    );
    return undefined;
  }
  const stored = (await storedOf(subject)) ?? (await storedByHead(subject, small.slice(0, MAX_LOOKS)));
  if (stored === undefined) return smallest;
  const chosen = small.find(({ manifest }) => stored.has(manifest.uuid));
  if (chosen === undefined) {
    const { uuid } = smallest.manifest;
    report(
      warning(
        'file',
        'nothing small is stored, so no file was looked at: the mirror would have to fetch one',
        `to check one: imgapi-mirror prefetch ${uuid} (${roughSize(smallest.file.size)}), then the doctor again`,
      ),
    );
  }
  return chosen;
}

/** The uuids of what a mirror says it has stored; undefined if it does not say, or is no mirror. */
async function storedOf({ probe, limits }: Subject): Promise<ReadonlySet<unknown> | undefined> {
  const path = '/_mirror/api/images?selector=cached';
  const answer = await probe.ask({ path, deadlineMs: limits.listMs, maxBytes: limits.listBytes }).catch(ignoreNoAnswer);
  const read = answer?.status === 200 ? parseAnswer(answer) : undefined;
  if (read?.ok !== true || !isJsonObject(read.value) || !Array.isArray(read.value.images)) return undefined;
  return new Set(read.value.images.filter(isJsonObject).map(({ uuid }) => uuid));
}

/** The same, asked file by file, where a proxy lets nothing else through. A server that tells nothing of a cache has none. */
async function storedByHead(
  { probe, limits }: Subject,
  candidates: readonly Candidate[],
): Promise<ReadonlySet<unknown> | undefined> {
  for (const { manifest } of candidates) {
    const path = `/images/${manifest.uuid}/file`;
    const answer = await probe
      .ask({ method: 'HEAD', path, deadlineMs: limits.smallMs, maxBytes: 0 })
      .catch(ignoreNoAnswer);
    const cache = answer?.status === 200 ? answer.header('x-cache') : undefined;
    if (cache === undefined) return undefined;
    if (cache === 'HIT') return new Set([manifest.uuid]);
  }
  return new Set();
}

/** Servers that do not know HEAD, or hang on it, are no mirrors. */
function ignoreNoAnswer(error: unknown): undefined {
  if (!(error instanceof ProbeError)) throw error;
}

export async function checkFile({ probe, report, limits }: Subject, { manifest, file }: Candidate): Promise<void> {
  const { uuid } = manifest;
  const sha1 = createHash('sha1');
  const md5 = createHash('md5');
  const start: Buffer[] = [];
  let startBytes = 0;
  let answer: ProbeAnswer;
  const startedAt = performance.now();
  try {
    answer = await probe.ask({
      path: `/images/${uuid}/file`,
      deadlineMs: limits.fileMs,
      // A byte more than there should be is enough to know.
      maxBytes: Math.max(file.size, ERROR_BYTES),
      onBytes(bytes) {
        sha1.update(bytes);
        md5.update(bytes);
        if (startBytes < ERROR_BYTES) start.push(bytes);
        startBytes += bytes.length;
      },
    });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    report(problem('file', `${uuid}: ${error.message}`, 'imgadm import hangs or fails here: look at the mirror’s log'));
    return;
  }
  if (answer.status !== 200) {
    const isRedirect = answer.status >= 300 && answer.status < 400;
    const todo = isRedirect
      ? 'imgadm takes the body of a redirect for the file: serve it here'
      : 'look at the mirror’s log, its disk and its upstreams (this doctor looks at them where the mirror runs)';
    report(problem('file', `${uuid}: ${failureOf({ ...answer, body: Buffer.concat(start) })}`, todo));
    return;
  }
  const findings = [
    ...lengthFindings(answer, file),
    ...digestFindings(answer, file, { md5: md5.digest('base64'), sha1: sha1.digest('hex') }),
  ];
  for (const finding of findings) report(finding);
  if (findings.some(({ verdict }) => verdict === 'problem')) return;
  const ms = Math.round(performance.now() - startedAt);
  const cache = answer.header('x-cache');
  const from = cache === undefined ? '' : `, X-Cache ${cache}`;
  const checked = answer.header('content-md5') === undefined ? 'length and SHA-1' : 'length, MD5 and SHA-1';
  report(ok('file', `${uuid}: ${roughSize(file.size)} in ${ms} ms${from}; ${checked} are right`));
}

function lengthFindings(answer: ProbeAnswer, { size }: ImageFile): ReturnType<typeof problem>[] {
  const length = answer.header('content-length');
  const encoding = answer.header('content-encoding');
  if (encoding !== undefined && encoding !== 'identity') {
    const todo = 'imgadm stores it as it comes and finds the SHA-1 wrong: turn compression off in the proxy';
    return [problem('file', `the file came compressed (${encoding})`, todo)];
  }
  if (length === undefined) {
    return [
      problem('file', 'no Content-Length', 'imgadm refuses a file without one: look for a proxy that sends it chunked'),
    ];
  }
  if (Number(length) !== size) {
    const todo = 'imgadm refuses it at once: look at the server it comes from, or remove the file from the mirror';
    return [problem('file', `Content-Length is ${length}, the manifest says ${size}`, todo)];
  }
  if (answer.broken !== undefined || answer.bodyBytes !== size) {
    const found = `${answer.bodyBytes} of ${size} bytes came${answer.broken === undefined ? '' : `: ${answer.broken}`}`;
    return [problem('file', found, 'look at the mirror’s log and its upstreams; imgadm begins anew each time')];
  }
  return [];
}

function digestFindings(
  answer: ProbeAnswer,
  file: ImageFile,
  found: { readonly md5: string; readonly sha1: string },
): ReturnType<typeof problem>[] {
  // Of a part, no digest can be right.
  if (answer.bodyBytes !== file.size || answer.broken !== undefined) return [];
  const findings = [];
  const md5 = answer.header('content-md5');
  if (md5 === undefined) {
    const todo = 'imgadm does without, sdc-clients does not: ask again, the mirror knows it once it has the whole file';
    findings.push(warning('file', 'no Content-MD5', todo));
  } else if (md5 !== found.md5) {
    const todo = 'sdc-clients refuses the file: look for a proxy that changes it, or remove it from the mirror';
    findings.push(problem('file', `Content-MD5 is ${md5}, the bytes have ${found.md5}`, todo));
  }
  if (found.sha1 !== file.sha1) {
    const todo =
      'imgadm refuses it: the file, or a proxy on the way, is broken; remove it from the mirror and fetch it anew';
    findings.push(problem('file', `the SHA-1 is ${found.sha1}, the manifest says ${file.sha1}`, todo));
  }
  return findings;
}
