/** What happened to transfers, in the order in which it did, as lines of text. */
import type { TransferEvents } from '../../../src/downloads/transfer-events.ts';

export interface CountedEvents extends TransferEvents {
  /** `resume range 90000`, `failover up0`, `stall up0`, `checked right`, ... */
  readonly lines: string[];
}

export function createCountedEvents(): CountedEvents {
  const lines: string[] = [];
  return {
    lines,
    onResume: (mode, bytes) => void lines.push(`resume ${mode} ${bytes}`),
    onFailover: (upstream) => void lines.push(`failover ${upstream}`),
    onStall: (upstream) => void lines.push(`stall ${upstream}`),
    onChecked: (result) => void lines.push(`checked ${result}`),
  };
}
