/** `prefetch`: fetches images before they are asked for, with a bar per file and one for all. */
import { escape } from '../config/problem.ts';
import { counted, roughSize } from '../config/units.ts';
import type { OperationEvent } from '../operations/operation.ts';
import type { PrefetchEvent, PrefetchPlanReport, PrefetchResult } from '../operations/prefetch.ts';
import { createBars, type Bar, type Bars } from './bars.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { nameOf } from './pin.ts';
import { warn, withMirrorOrNew, writeJson } from './with-mirror.ts';

/** Exits 1 if an image could not be fetched, or cannot be imported for want of an origin. */
export async function prefetch(options: OptionValues, io: CommandIo, selectors: readonly string[]): Promise<number> {
  return withMirrorOrNew(options, io, async (mirror) => {
    const asJson = options.has('json');
    const dryRun = options.has('dry-run');
    const bars = createBars(io.stderr, () => performance.now());
    const show = createTeller(bars, dryRun);
    let result: PrefetchResult;
    try {
      result = await mirror.run('prefetch', { selectors, dryRun }, (event) => {
        if (asJson) writeJson(io.stdout, event);
        else if (isPrefetchEvent(event)) show(event);
      });
    } finally {
      bars.end();
    }
    const isWell = result.failed.length === 0 && result.plan.fits && result.plan.unresolvable.length === 0;
    if (asJson) {
      writeJson(io.stdout, result);
    } else {
      warn(io, result.warnings);
      io.stdout.write(
        linesOf(result)
          .map((line) => `${escape(line)}\n`)
          .join(''),
      );
    }
    return isWell ? EXIT.done : EXIT.failed;
  });
}

/** Keeps in mind which files are under way, and draws them above the whole. */
function createTeller(bars: Bars, dryRun: boolean): (event: PrefetchEvent) => void {
  const running = new Map<string, Bar>();
  return (event) => {
    switch (event.type) {
      case 'plan':
        if (!dryRun) bars.line(planLine(event));
        return;
      case 'file': {
        // What is cut off for want of width is the uuid's end.
        const label = `${event.name} ${event.version} ${event.uuid}`.trim();
        if (event.received >= event.size) running.delete(event.sha1);
        else running.set(event.sha1, { label, done: event.received, total: event.size });
        return;
      }
      case 'image':
        if (event.result !== 'already') {
          bars.line(`${event.result} ${nameOf(event)}${event.reason === null ? '' : `: ${event.reason}`}`);
        }
        return;
      case 'total':
      default:
        bars.show([
          ...running.values(),
          {
            label: 'in all',
            done: event.received,
            total: event.bytes,
            note: `${event.filesDone} of ${event.files} files`,
          },
        ]);
    }
  };
}

function planLine({ images, files, bytes, presentImages, evictBlobs, evictBytes, fits }: PrefetchPlanReport): string {
  const parts = [
    `${counted(images, 'image')} to fetch (${counted(files, 'file')}, ${roughSize(bytes)})`,
    `${presentImages} there already`,
    ...(evictBlobs === 0 ? [] : [`${counted(evictBlobs, 'file')} (${roughSize(evictBytes)}) to evict for them`]),
    ...(fits ? [] : ['they do not fit: raise cache.maxBytes, free disk space, or select less']),
  ];
  return parts.join(', ');
}

function linesOf(result: PrefetchResult): readonly string[] {
  const { dryRun, plan, planned, fetched, already, failed, lackingOrigin, bytes } = result;
  const count = lackingOrigin.length;
  const lacking = count === 0 ? '' : `, ${count} cannot be imported for want of an origin`;
  if (dryRun) {
    return [
      ...planned.map((image) => `would fetch ${nameOf(image)} (${roughSize(image.bytes)})`),
      `${planLine(plan)}${lacking}`,
    ];
  }
  const sum = `${counted(fetched.length, 'image')} fetched (${roughSize(bytes)}), ${already.length} there already`;
  return [`${failed.length === 0 ? sum : `${sum}, ${failed.length} failed`}${lacking}`];
}

function isPrefetchEvent(event: OperationEvent): event is PrefetchEvent {
  return ['plan', 'file', 'image', 'total'].includes(event.type);
}
