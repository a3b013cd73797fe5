/** Starts the fake image server in its own process and asks it what it has sent. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ServedImage, UpstreamCounts, UpstreamMessage, UpstreamOptions } from './upstream-process.ts';

export type { ServedImage, UpstreamCounts, UpstreamOptions } from './upstream-process.ts';

export interface BenchUpstream {
  readonly url: string;
  readonly images: readonly ServedImage[];
  counts(): Promise<UpstreamCounts>;
  [Symbol.asyncDispose](): Promise<void>;
}

const ANSWER_MS = 30_000;

/** Resolves when it listens; making the bytes' digests takes about 2 s per GB before that. */
export async function startUpstream(options: UpstreamOptions, signal: AbortSignal): Promise<BenchUpstream> {
  const file = fileURLToPath(new URL('upstream-process.ts', import.meta.url));
  const child = fork(file, [JSON.stringify(options)], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');

  async function message(): Promise<UpstreamMessage> {
    const waiting = new AbortController();
    const until = AbortSignal.any([signal, waiting.signal, AbortSignal.timeout(ANSWER_MS)]);
    const died = exited.then(([code]): never => {
      throw new Error(`the upstream process ended with ${code}`);
    });
    try {
      const [found] = await Promise.race([once(child, 'message', { signal: until }), died]);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from upstream-process.ts alone, which has it typed
      return found as UpstreamMessage;
    } finally {
      // Whichever lost the race is over with this; `died` stays pending, and harmless, while the process runs.
      died.catch(() => {});
      waiting.abort();
    }
  }

  async function stop(): Promise<void> {
    if (child.connected) child.disconnect();
    await exited;
  }

  try {
    const started = await message();
    if (started.kind !== 'started') throw new Error(`the upstream process said ${started.kind} first`);
    return {
      url: started.url,
      images: started.images,
      async counts() {
        const answer = message();
        child.send('counts');
        const found = await answer;
        if (found.kind !== 'counts') throw new Error(`the upstream process said ${found.kind}, asked for counts`);
        return found.counts;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
