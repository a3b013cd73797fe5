import { createHash } from 'node:crypto';
import { WrongBytesError } from './bench.ts';
import type { Answer, Connection } from './connection.ts';
import type { ServedImage } from './upstream.ts';

export interface FetchFileOptions {
  /** Hashes all bytes: 0.6 CPU seconds per GB, so not for every client. Default: only their number is checked. */
  readonly isVerified?: boolean;
}

/** Gets one image's file. @throws WrongBytesError if it is not the file; Error if it is not 200. */
export async function fetchFile(
  connection: Connection,
  image: ServedImage,
  { isVerified = false }: FetchFileOptions = {},
): Promise<Answer> {
  const hash = isVerified ? createHash('sha1') : undefined;
  const answer = await connection.get(`/images/${image.uuid}/file`, (piece) => void hash?.update(piece));
  if (answer.status !== 200) throw new Error(`the file of ${image.uuid} was answered with ${answer.status}`);
  if (answer.bodyBytes !== image.bytes)
    throw new WrongBytesError(`${answer.bodyBytes} bytes came, ${image.bytes} were due`);
  const sha1 = hash?.digest('hex');
  if (sha1 !== undefined && sha1 !== image.sha1) throw new WrongBytesError(`SHA-1 ${sha1} came, ${image.sha1} was due`);
  return answer;
}
