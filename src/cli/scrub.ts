/** `scrub`: reads everything stored again, with progress. */
import { counted, roughSize } from '../config/units.ts';
import type { OperationEvent } from '../operations/operation.ts';
import type { ScrubEvent } from '../operations/scrub.ts';
import { createBars } from './bars.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { withMirror, writeJson } from './with-mirror.ts';

/** Exits 1 if something could not be checked, or is rotten and could not be fetched again. */
export async function scrub(options: OptionValues, io: CommandIo): Promise<number> {
  return withMirror(options, io, async (mirror) => {
    const asJson = options.has('json');
    const bars = createBars(io.stderr, () => performance.now());
    const result = await mirror.run('scrub', {}, (event) => {
      if (asJson) writeJson(io.stdout, event);
      else if (isScrubEvent(event)) tell(event);
    });
    bars.end();
    const isWell = result.failed.length === 0 && result.missing.length === 0;
    if (asJson) {
      writeJson(io.stdout, result);
      return isWell ? EXIT.done : EXIT.failed;
    }
    const { checked, bytes, rotted, repaired, failed, refetched, missing } = result;
    const parts = [
      `${counted(checked, 'file')} (${roughSize(bytes)}) checked`,
      `${rotted.length} rotten`,
      `${refetched.length} fetched again`,
      ...(repaired.length === 0 ? [] : [`${repaired.length} repaired`]),
      ...(missing.length === 0 ? [] : [`${missing.length} not to be had now`]),
      ...(failed.length === 0 ? [] : [`${failed.length} could not be checked`]),
    ];
    io.stdout.write(`${parts.join(', ')}\n`);
    return isWell ? EXIT.done : EXIT.failed;

    function tell(event: ScrubEvent): void {
      if (event.type === 'progress') {
        const { checkedBytes, totalBytes, checkedBlobs, totalBlobs } = event;
        bars.show([
          { label: 'scrub', done: checkedBytes, total: totalBytes, note: `${checkedBlobs} of ${totalBlobs} files` },
        ]);
        return;
      }
      bars.line(`${event.type} ${event.sha1}${'reason' in event ? `: ${event.reason}` : ''}`);
    }
  });
}

function isScrubEvent(event: OperationEvent): event is ScrubEvent {
  return event.type === 'progress' || 'sha1' in event;
}
