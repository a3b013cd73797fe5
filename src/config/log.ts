/**
 * What a room needs of a logger. pino satisfies it; so does a list in a test.
 * The object comes first and carries the evidence, the message is constant, so that lines can be counted by it.
 */
export interface Log {
  debug(obj: object, msg: string): void;
  info(obj: object, msg: string): void;
  warn(obj: object, msg: string): void;
  error(obj: object, msg: string): void;
}
