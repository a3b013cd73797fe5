/** A cache directory as a mirror that has ended leaves it. */
import { openDataDir } from '../../src/records/data-dir.ts';
import { createCaptureLog } from './capture-log.ts';

/** Makes it at `dir`, with nothing cached in it. */
export async function makeCacheDir(dir: string): Promise<void> {
  const held = await openDataDir({ log: createCaptureLog() }, { dir, pid: 1 });
  await held.close();
}
