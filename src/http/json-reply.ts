/** Sends a complete JSON body, compressed for the clients that asked. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Compressor } from './compress.ts';

export type JsonSender = (request: FastifyRequest, reply: FastifyReply, body: Buffer) => Promise<FastifyReply>;

/** `application/json` without a charset and with a Content-Length, as the real server answers. */
export function createJsonSender(compressor: Compressor): JsonSender {
  return async (request, reply, body) => {
    reply.header('content-type', 'application/json');
    const encoding = compressor.choose(request.headers['accept-encoding'], body);
    if (encoding === undefined) return reply.send(body);
    const packed = await compressor.compress(body, encoding);
    return reply.header('content-encoding', encoding).header('vary', 'accept-encoding').send(packed);
  };
}

/** A value as the real server writes it: indented by 2. */
export function jsonBody(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, null, 2));
}
