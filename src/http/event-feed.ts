/**
 * What happens, as server-sent events: the state at once, then again whenever it has changed. One timer looks for all listeners, and
 * none runs where nobody listens. Who reads too slowly is left out until it has caught up, and then gets what is the newest.
 */
import type { ServerResponse } from 'node:http';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';

/** The state at one moment. */
export interface Seen {
  /** One line of JSON. */
  readonly data: string;
  /** Two states of the same mark are not worth telling apart. */
  readonly mark: string;
}

export interface EventFeed {
  /** @throws MirrorError ServiceUnavailableError where too many listen already, ShuttingDown where it has ended */
  checkRoom(): void;
  /**
   * Sends the head and the state; from then on the response is the feed's. Never rejects.
   * @param onSent is told of all bytes of the body as they go out
   */
  add(response: ServerResponse, onSent: (bytes: number) => void): Promise<void>;
  /** How many listen. */
  readonly listeners: number;
}

export interface EventFeedDeps {
  readonly read: () => Promise<Seen>;
  /** Aborted when the mirror stops: all responses end. */
  readonly stopping: AbortSignal;
  readonly log: Log;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
}

export interface EventFeedOptions {
  /** Default 32. */
  readonly maxListeners?: number;
  /** Between two looks. Default 500. */
  readonly everyMs?: number;
  /** Between two comments. Default 15,000. */
  readonly aliveMs?: number;
  /** A listener that takes nothing for this long is dropped. Default 60,000. */
  readonly stalledMs?: number;
}

interface Listener {
  readonly response: ServerResponse;
  readonly onSent: (bytes: number) => void;
  /** Of the state it was sent last. */
  mark: string | undefined;
  /** Since when it has not taken what it was sent; undefined: it has. */
  slowSinceMs: number | undefined;
}

export function createEventFeed(deps: EventFeedDeps, options: EventFeedOptions = {}): EventFeed {
  const { maxListeners = 32, everyMs = 500, aliveMs = 15_000, stalledMs = 60_000 } = options;
  const { stopping, monotonicNow } = deps;
  const listeners = new Set<Listener>();
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<Seen | undefined> | undefined;
  let aliveAtMs = 0;

  stopping.addEventListener('abort', () => {
    clearInterval(timer);
    // One that takes nothing would hold up the stop.
    for (const { response } of listeners) endNow(response);
  });

  /** One question at a time, however many ask. */
  function read(): Promise<Seen | undefined> {
    reading ??= deps
      .read()
      .catch((error: unknown) => {
        deps.log.warn({ err: error }, 'the state could not be read for those who listen');
        return undefined;
      })
      .finally(() => (reading = undefined));
    return reading;
  }

  function write({ response, onSent }: Listener, text: string): void {
    // `writable` stays true where the client has left.
    if (response.destroyed || response.writableEnded || stopping.aborted) return;
    response.write(text);
    onSent(Buffer.byteLength(text));
  }

  function show(listener: Listener, { data, mark }: Seen): void {
    if (listener.mark === mark || listener.response.writableNeedDrain) return;
    listener.mark = mark;
    write(listener, `event: status\ndata: ${data}\n\n`);
  }

  /** Drops it if it has stalled. @returns whether it can take more */
  function canTake(listener: Listener, nowMs: number): boolean {
    if (!listener.response.writableNeedDrain) {
      listener.slowSinceMs = undefined;
      return true;
    }
    listener.slowSinceMs ??= nowMs;
    if (nowMs - listener.slowSinceMs >= stalledMs) listener.response.destroy();
    return false;
  }

  async function look(): Promise<void> {
    const seen = reading === undefined ? await read() : undefined;
    const nowMs = monotonicNow();
    const isAliveDue = nowMs - aliveAtMs >= aliveMs;
    if (isAliveDue) aliveAtMs = nowMs;
    for (const listener of listeners) {
      if (!canTake(listener, nowMs)) continue;
      if (seen !== undefined) show(listener, seen);
      if (isAliveDue) write(listener, ': alive\n\n');
    }
  }

  function remove(listener: Listener): void {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    checkRoom() {
      if (stopping.aborted) throw new MirrorError('ShuttingDown', 'the mirror is stopping');
      if (listeners.size >= maxListeners) {
        const message = `${listeners.size} listen already, and no more are told`;
        throw new MirrorError('ServiceUnavailableError', message, { isMeant: true });
      }
    },
    async add(response, onSent) {
      const listener: Listener = { response, onSent, mark: undefined, slowSinceMs: undefined };
      listeners.add(listener);
      response.once('close', () => remove(listener));
      // Some proxies hold back what they take for an ordinary body.
      const head = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
      response.writeHead(200, head);
      write(listener, 'retry: 3000\n\n');
      if (timer === undefined) aliveAtMs = monotonicNow();
      timer ??= setInterval(() => void look(), everyMs).unref();
      const seen = await read();
      if (seen !== undefined) show(listener, seen);
    },
    get listeners() {
      return listeners.size;
    },
  };
}

function endNow(response: ServerResponse): void {
  if (response.writableNeedDrain) response.destroy();
  else response.end();
}
