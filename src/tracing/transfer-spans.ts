/**
 * A span for each download and each pass-through, above its attempts: it belongs to the request that began it, whoever
 * joins, and says what became of the bytes, which no attempt knows.
 */
import type { AroundTransfer, IntegrityResult, TransferEnd, TransferEvents } from '../downloads/transfer-events.ts';
import type { Lineage, Work } from './lineage.ts';
import { ATTRIBUTE, type Span, type Tracing } from './tracing.ts';

export interface TransferSpansDeps {
  readonly tracing: Tracing;
  readonly lineage: Lineage;
}

export interface TransferSpans {
  readonly around: AroundTransfer;
  /** The same events; those of checks are told of in spans too. */
  watch(events: TransferEvents): TransferEvents;
}

/** Results of transfers that brought what they were to bring. */
const SOUND: ReadonlySet<string> = new Set(['stored', 'right']);
const ABORTED = 'aborted';

interface Transfer extends Work {
  /** What its request was doing when it began. */
  readonly parent: Span | undefined;
  /** The latest check of its bytes. */
  checked?: IntegrityResult;
}

export function createTransferSpans({ tracing, lineage }: TransferSpansDeps): TransferSpans {
  const transfers = new WeakSet<Work>();
  const isTransfer = (work: Work | undefined): work is Transfer => work !== undefined && transfers.has(work);

  /** A pass-through is always begun by a client that reads, be it in a download that another one began. */
  function parentOf(kind: 'download' | 'pass-through', requestId: string): Span | undefined {
    const current = lineage.current();
    if (kind === 'download' && current?.requestId !== requestId) return undefined;
    // After wrong bytes one begins the next: they go beside each other.
    return isTransfer(current) ? current.parent : current?.span;
  }

  return {
    around(kind, { requestId, sha1, size }, begin) {
      const parent = parentOf(kind, requestId);
      const attributes = {
        [ATTRIBUTE.requestId]: requestId,
        [ATTRIBUTE.sha1]: sha1,
        [ATTRIBUTE.size]: size,
      };
      const span = tracing.begin(kind, { kind: 'internal', attributes, parent });
      const transfer: Transfer = { requestId, span, parent };
      transfers.add(transfer);
      const begun = lineage.within(transfer, begin);
      void begun.ended.then((how) => end(transfer, how));
      return begun;
    },

    watch: (events) => ({
      ...events,
      onChecked(result) {
        events.onChecked(result);
        const current = lineage.current();
        if (!isTransfer(current)) return;
        current.checked = result;
        // The others are found when the attempts are over.
        if (result === 'size') current.attempt?.end({ type: result, message: MESSAGES[result] });
      },
    }),
  };
}

const MESSAGES: Readonly<Record<Exclude<IntegrityResult, 'right'>, string>> = {
  sha1: 'the bytes do not have the SHA-1 that the manifest says',
  md5: 'the bytes do not have the MD5 that their upstream has announced',
  size: 'another number of bytes than the manifest says was offered',
};

function end({ span, checked }: Transfer, { result, failure }: TransferEnd): void {
  span.set({ [ATTRIBUTE.result]: result });
  if (result === ABORTED) span.set({ [ATTRIBUTE.aborted]: true });
  const isWrong = checked !== undefined && checked !== 'right';
  if (isWrong && result !== ABORTED) span.end({ type: checked, message: MESSAGES[checked] });
  else if (SOUND.has(result) || result === ABORTED) span.end();
  else span.end({ type: result, message: failure?.message ?? `ended: ${result}` });
}
