/** Examines a mirror, or any image server, from the outside: as imgadm and sdc-clients meet it. */
import { chooseFile, checkFile } from './file-check.ts';
import type { Report } from './finding.ts';
import { checkList } from './list-check.ts';
import { checkManifest } from './manifest-check.ts';
import { checkPing } from './ping-check.ts';
import { createProbe } from './probe.ts';
import { checkStatus } from './status-check.ts';
import { LIMITS, type Limits, type Subject } from './subject.ts';
import { checkTls } from './tls-check.ts';

export interface AsClientOptions {
  /** As hosts would give it to `imgadm sources -a`. */
  readonly url: string;
  /** The name the certificate must have; undefined: not known. */
  readonly tlsName: string | undefined;
  readonly userAgent: string;
  /** Since the epoch, ms. */
  readonly nowMs: number;
  /** Also tells what a mirror says of its own state. Default false: that has been looked at. */
  readonly looksAtStatus?: boolean;
  readonly limits?: Limits;
}

/** One thing after the other, as far as the ones before let it. Never rejects because of what the server does. */
export async function checkAsClient(report: Report, options: AsClientOptions): Promise<void> {
  const { url, tlsName: name, userAgent, nowMs, limits = LIMITS } = options;
  const probe = createProbe(url, userAgent);
  try {
    const subject: Subject = { probe, report, limits };
    if (new URL(url).protocol === 'https:') await checkTls(subject, { name, nowMs });
    if (!(await checkPing(subject))) return;
    if (options.looksAtStatus === true) await checkStatus({ probe, report, deadlineMs: limits.smallMs });
    const listed = await checkList(subject);
    if (listed === undefined || listed.length === 0) return;
    const chosen = await chooseFile(subject, listed);
    const [image] = chosen === undefined ? listed : [chosen.manifest];
    if (image === undefined) return;
    const manifest = await checkManifest(subject, image);
    if (manifest === undefined || chosen === undefined) return;
    const [file] = manifest.files;
    if (file !== undefined && file.size <= limits.fileBytes) await checkFile(subject, { manifest, file });
  } finally {
    await probe.close();
  }
}
