/** A closed loop: so many connections, each with one request in flight, for a while. */
import { nowMs } from './clock.ts';
import { openConnection, type Connection } from './connection.ts';

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** One request; rejects if its answer is wrong. `turn` counts all requests, from 0. */
  readonly request: (connection: Connection, turn: number) => Promise<unknown>;
}

export interface LoadResult {
  /** Each request's time from sending to the last byte, ms. */
  readonly latenciesMs: readonly number[];
  readonly requestsPerSecond: number;
}

/** The first failure ends it. */
export async function load({ port, connections: count, seconds, signal, request }: LoadOptions): Promise<LoadResult> {
  const connections = await Promise.all(Array.from({ length: count }, () => openConnection({ port, signal })));
  const latenciesMs: number[] = [];
  let turn = 0;
  const startedAtMs = nowMs();
  const endAtMs = startedAtMs + seconds * 1000;
  try {
    await Promise.all(
      connections.map(async (connection) => {
        for (let sentAtMs = nowMs(); sentAtMs < endAtMs;) {
          await request(connection, turn++);
          const doneAtMs = nowMs();
          latenciesMs.push(doneAtMs - sentAtMs);
          sentAtMs = doneAtMs;
        }
      }),
    );
    return { latenciesMs, requestsPerSecond: latenciesMs.length / ((nowMs() - startedAtMs) / 1000) };
  } finally {
    for (const connection of connections) connection.close();
  }
}
