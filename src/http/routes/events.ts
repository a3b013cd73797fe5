/** `GET /_mirror/api/events`: the status as server-sent events. */
import type { FastifyInstance } from 'fastify';
import { resultOf } from '../../operations/results.ts';
import { watchedOf } from '../../operations/status.ts';
import type { Operations } from '../../operations/verbs.ts';
import { EVENTS_URL } from '../api-paths.ts';
import { createEventFeed, type EventFeedDeps, type EventFeedOptions } from '../event-feed.ts';

export interface EventsDeps extends Omit<EventFeedDeps, 'read'> {
  readonly operations: Pick<Operations, 'status'>;
}

export function eventsRoute(app: FastifyInstance, deps: EventsDeps, options: EventFeedOptions = {}): void {
  const context = { signal: deps.stopping, onEvent() {} };
  const feed = createEventFeed(
    {
      ...deps,
      async read() {
        const status = resultOf('status', await deps.operations.status.run({}, context));
        return { data: JSON.stringify(status), mark: watchedOf(status) };
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
