/**
 * All transfers without a place on disk. Clients of one blob share a running one as long as it still holds what they
 * need; who comes too late for that starts the next, and who falls behind goes on alone.
 */
import { MirrorError } from '../imgapi/errors.ts';
import type { Blame } from './blame.ts';
import type { ByteSource } from './byte-source.ts';
import type { DownloadHeaders, FollowedDownload } from './download.ts';
import { WITHHELD_BYTES } from './growing-file.ts';
import { createPassSource } from './pass-source.ts';
import { SOLO_RING_BYTES, startPassThrough, type PassThrough, type PassThroughOptions } from './pass-through.ts';
import type { PassThroughEnd, StartPoint } from './pass-through.ts';
import type { TransferDeps } from './transfer.ts';
import { beginPlainly, type AroundTransfer } from './transfer-events.ts';
import type { WantedBlob } from './wanted.ts';
import { startBehind, writtenThen } from './written-part.ts';

/** Bytes to be had without the disk. Close `source` in every case. */
export interface ObtainedPass {
  readonly headers: Promise<DownloadHeaders>;
  readonly source: ByteSource;
}

/**
 * How the upstream stream of a pass-through ended. `absent`: no upstream has the file it lists; `aborted`: its last client has left, or
 * the mirror stops.
 */
export type PassedResult = 'right' | 'failed' | 'absent' | 'aborted';

/** Every result, for priming metrics. */
export const PASSED_RESULTS: readonly PassedResult[] = ['right', 'failed', 'absent', 'aborted'];

export interface Passing {
  /** Those whose upstream stream is not over. */
  readonly running: Iterable<Pick<PassThrough, 'wanted' | 'received' | 'followers'>>;
  /** From the first byte: with those who read it already, else by an upstream stream that others may share. */
  join(wanted: WantedBlob): ObtainedPass;
  /**
   * Goes on with a download that the disk has ended: what is on disk is read from there, the rest comes by an upstream
   * stream that all its followers share. `contentMd5`: what the client was told.
   */
  goOn(followed: FollowedDownload, contentMd5: string | undefined): ByteSource;
  /** The same for one follower at `position`, by a stream of its own: nothing behind it is read from disk. */
  goOnAlone(followed: FollowedDownload, position: number, contentMd5: string | undefined): ByteSource;
  /** Gives up all that run and waits for them to have ended. */
  close(): Promise<void>;
}

export interface PassingDeps extends TransferDeps {
  readonly blame: Blame;
  /** An upstream stream is over. */
  readonly onPassed: (result: PassedResult) => void;
  /** A client has fallen behind the others and goes on with an upstream stream of its own. */
  readonly onAlone: () => void;
  /** Default: nothing is put around transfers. */
  readonly around?: AroundTransfer;
}

/** How far a client may be behind the fastest one of its blob. */
const RING_BYTES = 8 * 1024 * 1024;

export function createPassing(deps: PassingDeps): Passing {
  const { blame, around = beginPlainly } = deps;
  const running = new Set<PassThrough>();
  let isClosed = false;
  /** What goes on with a download whose disk failed. */
  const goingOn = new WeakMap<WantedBlob, { readonly pass: PassThrough; readonly from: StartPoint }>();

  function start(wanted: WantedBlob, options: PassThroughOptions): PassThrough {
    if (isClosed) throw shuttingDown();
    const { sha1 } = wanted;
    const onEnd = ({ result, isMixed, upstreams }: PassThroughEnd): void => {
      if (result === 'right') blame.clearSuspicion(sha1);
      if (result === 'mismatch') {
        // Of bytes that came in parts nobody knows whose were wrong: the next time they are fetched from one source.
        if (isMixed && !options.isWhole) blame.suspect(sha1);
        else blame.add(sha1, upstreams);
      }
      deps.onPassed(result === 'mismatch' ? 'failed' : result);
    };
    const pass = around('pass-through', wanted, () =>
      startPassThrough({ ...deps, onEnd }, blame.inOrder(wanted), options),
    );
    running.add(pass);
    void pass.left.then(() => running.delete(pass));
    return pass;
  }

  /** A response's way through `pass`, which holds `position`. */
  function follow(pass: PassThrough, position: number): ByteSource {
    const { wanted } = pass;
    return createPassSource(wanted.size, pass.follow(position), (from) => {
      deps.onAlone();
      const { sha1, requestId: reqId } = wanted;
      deps.log.info({ sha1, from: from.bytes, reqId }, 'fell behind a shared pass-through: goes on alone');
      return start(wanted, { from, isWhole: false, ringBytes: SOLO_RING_BYTES }).follow(from.bytes);
    });
  }

  return {
    get running() {
      return [...running].filter(({ isEnded }) => !isEnded);
    },

    join(wanted) {
      const { sha1, size } = wanted;
      const shared = [...running].find(
        (pass) => pass.wanted.sha1 === sha1 && pass.wanted.size === size && pass.holds(0),
      );
      const pass = shared ?? start(wanted, { isWhole: blame.isSuspect(sha1), ringBytes: RING_BYTES });
      return { headers: pass.headers, source: follow(pass, 0) };
    },

    goOn(followed, contentMd5) {
      const { wanted } = followed;
      const before = goingOn.get(wanted);
      const bytes = Math.max(0, Math.min(followed.written, wanted.size - WITHHELD_BYTES));
      const from = before?.from ?? startBehind(followed, bytes, contentMd5);
      const isShared = before?.pass.holds(from.bytes) === true;
      const pass = isShared ? before.pass : start(wanted, { from, isWhole: false, ringBytes: RING_BYTES });
      goingOn.set(wanted, { pass, from });
      return writtenThen(followed, from.bytes, follow(pass, from.bytes));
    },

    goOnAlone(followed, position, contentMd5) {
      const from = startBehind(followed, position, contentMd5);
      const pass = start(followed.wanted, { from, isWhole: false, ringBytes: SOLO_RING_BYTES });
      return follow(pass, position);
    },

    async close() {
      isClosed = true;
      for (const pass of running) pass.abort(shuttingDown());
      await Promise.all([...running].map(async (pass) => pass.ended));
    },
  };
}

function shuttingDown(): MirrorError {
  return new MirrorError('ShuttingDown', 'the mirror is shutting down');
}
