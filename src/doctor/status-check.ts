/** What a mirror says of itself that wants somebody's decision or a look: its status, read as any other client may. */
import { isJsonObject } from '../blobs/json-file.ts';
import { counted } from '../config/units.ts';
import { ok, problem, warning, type Finding, type Report } from './finding.ts';
import { parseAnswer } from './json-answer.ts';
import { ProbeError, type Probe } from './probe.ts';

const STATUS_BYTES = 4 * 2 ** 20;
const NOTHING = 'no list is held back, no image is in conflict, no file in quarantine, and it is ready';

/** Reports what it says; nothing where there is no status to be had: a server of another kind has none. */
export async function checkStatus(of: {
  readonly probe: Probe;
  readonly report: Report;
  /** For its answer, ms. */
  readonly deadlineMs: number;
}): Promise<void> {
  const { probe, report, deadlineMs } = of;
  let status: unknown;
  try {
    const answer = await probe.ask({ path: '/_mirror/api/status', deadlineMs, maxBytes: STATUS_BYTES });
    const read = parseAnswer(answer);
    if (answer.status !== 200 || !read.ok) return;
    status = read.value;
  } catch (error) {
    // Whether the mirror answers at all is for other checks to say.
    if (error instanceof ProbeError) return;
    throw error;
  }
  if (!isJsonObject(status) || !isJsonObject(status.catalog) || !isJsonObject(status.storage)) return;
  const { url } = probe;
  const upstreams = Array.isArray(status.upstreams) ? status.upstreams.filter(isJsonObject) : [];
  const findings = [
    ...readinessFindings(status.readiness),
    ...upstreams.flatMap(listFindings),
    ...conflictFindings(countOf(status.catalog.conflicts)),
    ...quarantineFindings(countOf(status.storage.quarantinedFiles), status.dir),
  ];
  if (findings.length === 0) findings.push(ok('mirror', NOTHING));
  // The doctor may look at two of them: one here, and the one that a client named.
  for (const finding of findings) report({ ...finding, found: `${url}: ${finding.found}` });
}

/** `reasons` of a mirror that is ready say what is wrong all the same. */
function readinessFindings(readiness: unknown): Finding[] {
  if (!isJsonObject(readiness) || !Array.isArray(readiness.reasons)) return [];
  const { ready, reasons } = readiness;
  return reasons.map((reason) => {
    const todo = 'imgapi-mirror status shows the rest; what to do about a disk is in docs/operations.md';
    return ready === true
      ? warning('mirror', `ready, but ${String(reason)}`, todo)
      : problem('mirror', `not ready: ${String(reason)}`, todo);
  });
}

function listFindings({ name, problem: why, held, listConfirmedAt }: Readonly<Record<string, unknown>>): Finding[] {
  if (typeof why !== 'string') return [];
  const inForce =
    typeof listConfirmedAt === 'string' ? 'the last good one stays in force' : 'there is no list of it yet';
  const todo =
    held === true
      ? 'ask its operators; if it is meant so: imgapi-mirror refresh --accept'
      : `${inForce}; imgapi-mirror refresh asks for it again now`;
  return [warning('upstream', `list of ${String(name)}: ${why}`, todo)];
}

function conflictFindings(conflicts: number): Finding[] {
  if (conflicts === 0) return [];
  const found = `${counted(conflicts, 'image')} in conflict: an upstream says otherwise than what is remembered`;
  const todo =
    'imgapi-mirror list conflict names them, imgapi-mirror show UUID says how; if the change is right: imgapi-mirror accept UUID';
  return [warning('mirror', found, todo)];
}

function quarantineFindings(files: number, dir: unknown): Finding[] {
  if (files === 0) return [];
  const found = `${counted(files, 'file')} in quarantine: bytes that were not what they should be, from an upstream or from this disk`;
  const todo = `whose they were is in the .json beside each in ${String(dir)}/quarantine, and they go by themselves; imgapi-mirror scrub reads all that is stored again`;
  return [warning('cache', found, todo)];
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
