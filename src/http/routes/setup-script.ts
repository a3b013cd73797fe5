/** `GET /_mirror/setup.sh`: what a host can read, and pipe to sh, to use this mirror. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { MirrorError } from '../../imgapi/errors.ts';
import { setupScript, urlOfHost } from '../setup-script.ts';

export interface SetupScriptDeps {
  /** `imgapi-mirror/x.y.z` */
  readonly product: string;
  /** `listen.publicUrl` */
  readonly publicUrl: string | null;
  /** Whether this server speaks HTTPS. */
  readonly isSecure: boolean;
}

export function setupScriptRoute(app: FastifyInstance, deps: SetupScriptDeps): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/_mirror/setup.sh',
    config: { name: 'setup' },
    async handler(request, reply) {
      const url = deps.publicUrl ?? urlOfHost(deps.isSecure ? 'https' : 'http', hostsOf(request.raw));
      if (url === undefined) {
        throw new MirrorError(
          'BadRequestError',
          'the Host header is not a name or address with an optional port; ask for this by the name hosts are to use, or configure listen.publicUrl',
        );
      }
      reply.header('cache-control', 'no-store').header('content-type', 'text/x-shellscript; charset=utf-8');
      return reply.send(setupScript({ url, product: deps.product }));
    },
  });
}

/** All of them: `headers.host` is the first, however many were sent. */
function hostsOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'host');
}
