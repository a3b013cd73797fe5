/**
 * What is answered to a request that no route takes: 401 for writes on images (a public image server's answer), 405 for
 * other methods on known paths, 404 for the rest.
 */
import { methodNotAllowed, pathNotFound, unauthorized } from '../imgapi/answers.ts';
import type { MirrorError } from '../imgapi/errors.ts';
import { methodsOf } from './api-paths.ts';

const READABLE = [
  /^\/ping$/,
  /^\/channels$/,
  /^\/metrics$/,
  /^\/_mirror\/(?:health|ready|setup\.sh)$/,
  /^\/_mirror\/?$/,
  /^\/_mirror\/images\/[^/]+$/,
  /^\/_mirror\/assets\/[^/]+\/[^/]+$/,
];
const WRITABLE = [
  /^\/images$/,
  /^\/images\/[^/]+$/,
  /^\/images\/[^/]+\/(file|file\/from-url|icon|acl|channels|export)$/,
];
const WRITES: ReadonlySet<string> = new Set(['POST', 'PUT', 'DELETE']);
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function refusalFor(method: string, url: string): MirrorError {
  const path = url.replace(/[?#].*$/s, '');
  const isImages = WRITABLE.some((pattern) => pattern.test(path));
  if (isImages && WRITES.has(method)) return unauthorized();
  const allow = methodsOf(path);
  if (allow !== undefined && !allow.includes(method)) return methodNotAllowed(method, allow.join(', '));
  const isKnown = isImages || READABLE.some((pattern) => pattern.test(path));
  return isKnown && !READS.has(method) ? methodNotAllowed(method) : pathNotFound(url);
}
