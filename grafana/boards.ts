/** All boards, and the text of their files in grafana/dashboards, which `npm run docs` writes and checks. */
import type { Board } from './boards/board.ts';
import { overviewBoard } from './boards/overview.ts';
import { processBoard } from './boards/process.ts';
import { storageBoard } from './boards/storage.ts';
import { upstreamsBoard } from './boards/upstreams.ts';

export function createBoards(): readonly Board[] {
  return [overviewBoard(), upstreamsBoard(), storageBoard(), processBoard()];
}

/** What is in `grafana/dashboards/<name>.json`. */
export function boardText({ dashboard }: Board): string {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
