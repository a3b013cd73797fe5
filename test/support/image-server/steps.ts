/**
 * The chain in front of the routes: each step either takes the exchange (true) or hands it on (false).
 * A test of its own kind of chaos adds steps with `startImageServer({steps})`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { once } from 'node:events';
import { sendError, sendJson, sendText, writeHead } from './exchange.ts';
import type { Exchange } from './exchange.ts';

/** Resolves to true when it has answered, or never will. */
export type Step = (exchange: Exchange) => Promise<boolean>;

export const DEFAULT_STEPS: readonly Step[] = [reset, delay, hang, redirect, fixedStatus];

async function reset({ behaviour, response }: Exchange): Promise<boolean> {
  if (behaviour().resetHeaders !== true) return false;
  response.socket?.destroy();
  return true;
}

async function delay({ behaviour, signal }: Exchange): Promise<boolean> {
  const { delayHeadersMs } = behaviour();
  if (delayHeadersMs !== undefined) await sleep(delayHeadersMs, undefined, { signal });
  return false;
}

async function hang({ behaviour, signal }: Exchange): Promise<boolean> {
  if (behaviour().hangHeaders !== true) return false;
  if (!signal.aborted) await once(signal, 'abort');
  return true;
}

async function redirect(exchange: Exchange): Promise<boolean> {
  const { redirectTo } = exchange.behaviour();
  if (redirectTo === undefined) return false;
  writeHead(exchange, 302, { Location: redirectTo, 'Content-Length': 0 });
  exchange.response.end();
  return true;
}

async function fixedStatus(exchange: Exchange): Promise<boolean> {
  const { status, body } = exchange.behaviour();
  if (status === undefined) return false;
  if (body === undefined) sendError(exchange, status, codeOf(status), `as asked: ${status}`);
  else if (typeof body === 'string') sendText(exchange, status, body);
  else sendJson(exchange, status, body);
  return true;
}

function codeOf(status: number): string {
  if (status === 404) return 'ResourceNotFound';
  return status === 503 ? 'ServiceUnavailableError' : 'InternalError';
}
