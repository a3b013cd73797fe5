/** What Linux knows about a running process (proc(5)). */
import { readFile } from 'node:fs/promises';

/** /proc counts in USER_HZ, which is 100 on every architecture Node runs on, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** CPU seconds so far, user and system, of all threads. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  // The second field is the name in parentheses and may hold anything; utime and stime are fields 14 and 15.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isFinite(ticks)) throw new Error(`/proc/${pid}/stat is not understood: ${text}`);
  return ticks / TICKS_PER_SECOND;
}

export interface ResidentBytes {
  readonly now: number;
  /** The most it has ever been: nothing is missed between two samples. */
  readonly peak: number;
}

export async function residentBytesOf(pid: number): Promise<ResidentBytes> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1');
  return { now: kibField(text, 'VmRSS') * 1024, peak: kibField(text, 'VmHWM') * 1024 };
}

function kibField(text: string, name: string): number {
  const value = new RegExp(String.raw`^${name}:\s+(\d+) kB$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`/proc status has no ${name}`);
  return Number(value);
}
