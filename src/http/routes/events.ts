/** `GET /_mirror/api/events`: the status as server-sent events. */
import type { FastifyInstance } from 'fastify';
import { MOST_DOWNLOADS } from '../../operations/downloads.ts';
import { resultOf } from '../../operations/results.ts';
import { watchedOf, type StatusResult } from '../../operations/status.ts';
import type { Operations } from '../../operations/verbs.ts';
import { EVENTS_URL } from '../api-paths.ts';
import { createEventFeed, type EventFeedDeps, type EventFeedOptions } from '../event-feed.ts';

export interface EventsDeps extends Omit<EventFeedDeps, 'read'> {
  readonly operations: Pick<Operations, 'status'>;
}

/** A status as events tell it: twice a second to each listener, so of many downloads the first ones and their number. */
interface ToldStatus extends StatusResult {
  /** How many run in all. */
  readonly running: number;
}

function toldOf(status: StatusResult): ToldStatus {
  const { downloads } = status;
  const first = downloads.slice(0, MOST_DOWNLOADS);
  return { ...status, downloads: first, running: downloads.length };
}

export function eventsRoute(app: FastifyInstance, deps: EventsDeps, options: EventFeedOptions = {}): void {
  const context = { signal: deps.stopping, onEvent() {} };
  const feed = createEventFeed(
    {
      ...deps,
      async read() {
        const told = toldOf(resultOf('status', await deps.operations.status.run({}, context)));
        return { data: JSON.stringify(told), mark: watchedOf(told) };
      },
    },
    options,
  );
  app.route({
    method: ['GET', 'HEAD'],
    url: EVENTS_URL,
    // A name of its own: it lasts for as long as somebody looks.
    config: { name: 'events' },
    async handler(request, reply) {
      feed.checkRoom();
      if (request.method === 'HEAD') return reply.header('content-type', 'text/event-stream').send();
      reply.hijack();
      await feed.add(reply.raw, (bytes) => request.mirror.sent(bytes));
      return reply;
    },
  });
}
