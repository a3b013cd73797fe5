/**
 * What commands have in common: they find the mirror (the one named, the one that runs on the directory, or the directory itself), ask
 * it, and tell of errors in one way.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../blobs/errno.ts';
import { escape } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { PRODUCT } from '../config/product.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { OperationEvent } from '../operations/operation.ts';
import { resultOf, type Results } from '../operations/results.ts';
import type { Verb } from '../operations/verbs.ts';
import { DataDirError } from '../records/data-dir.ts';
import { isHeld } from '../records/held.ts';
import { readServing, type ServingInfo } from '../records/serving-file.ts';
import { readAdminToken } from './admin-token.ts';
import { createApiClient } from './api-client.ts';
import { readCaFiles } from './ca-files.ts';
import { EXIT, type CommandIo, type Output } from './io.ts';
import { createLogger } from './logger.ts';
import type { OptionValues } from './parse-options.ts';
import { readConfig } from './read-config.ts';
import { reportProblems } from './report-problems.ts';
import { withScratchDir } from './scratch-dir.ts';
import { createSignals } from './signals.ts';

/** A mirror that a command can ask. */
export interface MirrorHandle {
  /** The mirror's URL; undefined where this process works on the directory itself. */
  readonly url: string | undefined;
  /** Aborted when the person at the terminal wants no more. */
  readonly signal: AbortSignal;
  /** @throws MirrorError */
  run<V extends Verb>(
    verb: V,
    input: Readonly<Record<string, unknown>>,
    onEvent?: (event: OperationEvent) => void,
  ): Promise<Results[V]>;
}

/** Verbs that name images by what the upstreams list. */
const NEED_LISTS: ReadonlySet<Verb> = new Set([
  'list',
  'show',
  'prefetch',
  'pin',
  'unpin',
  'evict',
  'accept',
  'export',
  // What has rotted is fetched again.
  'scrub',
]);
/** An upstream that is down or slow is not waited for: the last list it gave will do. */
const LISTS_WAIT_MS = 10_000;

const TOKEN_HINT =
  "the token of that mirror's admin.tokenFile, here with --token or in admin.tokenFile of the configuration";

const ELSEWHERE = 'name the mirror with --mirror URL';

/** A process that has taken the directory but does not serve yet, or is about to end, is waited for. */
const BUSY_TRIES = 10;
const BUSY_WAIT_MS = 300;

/**
 * Runs `use` with the mirror that the options mean. Returns the exit code; every error is told. That there is no cache directory is an
 * error too: a mistyped path, most often.
 */
export async function withMirror(
  options: OptionValues,
  io: CommandIo,
  use: (mirror: MirrorHandle) => Promise<number>,
): Promise<number> {
  return withEither(options, io, use, { makeDir: false });
}

/**
 * The same for commands that bring images: where there is no cache directory, one is made; for a dry run, one that does not stay.
 * @param first runs before this process takes the directory, for what would be wrong without a mirror too. @throws MirrorError
 */
export async function withMirrorOrNew(
  options: OptionValues,
  io: CommandIo,
  use: (mirror: MirrorHandle) => Promise<number>,
  first?: () => Promise<void>,
): Promise<number> {
  return withEither(options, io, use, { makeDir: true, first });
}

interface May {
  readonly makeDir: boolean;
  readonly first?: (() => Promise<void>) | undefined;
}

async function withEither(
  options: OptionValues,
  io: CommandIo,
  use: (mirror: MirrorHandle) => Promise<number>,
  may: May,
): Promise<number> {
  const signals = createSignals(io, { endsWithReader: true });
  try {
    const named = options.text('mirror');
    const code =
      named === undefined
        ? await withDirectory(options, io, signals.stopped, use, may)
        : await withNamed(named, options, io, signals.stopped, use);
    return signals.isReaderGone ? EXIT.readerGone : code;
  } catch (error) {
    // There is nobody left to tell.
    if (signals.isReaderGone) return EXIT.readerGone;
    if (signals.stopped.aborted) return tell(io, options, { code: 'Interrupted', message: 'interrupted' }, EXIT.failed);
    if (error instanceof DataDirError)
      return tell(io, options, { code: 'StorageFailed', message: `${error.message}${hintOf(error)}` }, EXIT.failed);
    if (!(error instanceof MirrorError)) throw error;
    const body = error.toBody();
    // What the API says of headers is no help at a terminal.
    const isRefused = error.code === 'UnauthorizedError' && options.text('token') === undefined;
    const message = isRefused ? `${body.message} (${TOKEN_HINT})` : body.message;
    return tell(io, options, { ...body, message }, isUsage(error) ? EXIT.usage : EXIT.failed);
  } finally {
    signals.release();
  }
}

async function withNamed(
  url: string,
  options: OptionValues,
  io: CommandIo,
  signal: AbortSignal,
  use: (mirror: MirrorHandle) => Promise<number>,
): Promise<number> {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    const message = `--mirror needs a URL such as http://mirror.example.com:8080, found ${JSON.stringify(url)}`;
    return tell(io, options, { code: 'InvalidParameter', message }, EXIT.usage);
  }
  let token = options.text('token');
  if (token === undefined) {
    const read = await readConfig(io, options);
    if (!read.ok) return reportProblems(io, read.problems, options.has('json'));
    const admin = await readAdminToken(read.config.admin, io.cwd);
    if (!admin.ok) return reportProblems(io, admin.problems, options.has('json'));
    ({ token } = admin);
  }
  return withApi({ url, token, isOwnMachine: false }, signal, use);
}

async function withApi(
  client: { readonly url: string; readonly token: string | undefined; readonly isOwnMachine: boolean },
  signal: AbortSignal,
  use: (mirror: MirrorHandle) => Promise<number>,
): Promise<number> {
  const api = createApiClient(client);
  try {
    return await use({
      url: client.url,
      signal,
      run: async (verb, input, onEvent = ignore) => resultOf(verb, await api.run(verb, input, { signal, onEvent })),
    });
  } finally {
    await api.close();
  }
}

async function withDirectory(
  options: OptionValues,
  io: CommandIo,
  signal: AbortSignal,
  use: (mirror: MirrorHandle) => Promise<number>,
  may: May,
): Promise<number> {
  const read = await readConfig(io, options);
  if (!read.ok) return reportProblems(io, read.problems, options.has('json'));
  const ca = await readCaFiles(read.config, io.cwd);
  const admin = await readAdminToken(read.config.admin, io.cwd);
  if (!ca.ok || !admin.ok) {
    const problems = [ca, admin].flatMap((part) => (part.ok ? [] : part.problems));
    return reportProblems(io, problems, options.has('json'));
  }
  const dir = path.resolve(io.cwd, read.config.cache.dir);
  for (let tries = 1; ; tries++) {
    // Asked for first: a command that a running mirror answers need not load a mirror of its own. What keeps it from being told is said
    // when the directory is to be taken.
    const held = await isHeld(dir).catch(() => false);
    const serving = held ? await servingOf(dir) : undefined;
    if (serving?.address !== undefined) {
      const { address: url, secret } = serving;
      return withApi({ url, token: secret ?? admin.token, isOwnMachine: true }, signal, use);
    }
    const lacking = held ? undefined : await lackingAt(dir);
    if (lacking !== undefined && !may.makeDir) {
      const message = `${lacking}: correct --cache-dir (cache.dir), or ${ELSEWHERE}; serve, prefetch and import make one`;
      return tell(io, options, { code: 'StorageFailed', message }, EXIT.failed);
    }
    await may.first?.();
    try {
      const withOwn = async (place: string): Promise<number> =>
        withOwnMirror(
          { ...read.config, cache: { ...read.config.cache, dir: place } },
          ca.texts,
          options,
          io,
          signal,
          use,
        );
      const isScratch = lacking !== undefined && options.has('dry-run');
      return isScratch ? await withScratchDir(dir, withOwn) : await withOwn(dir);
    } catch (error) {
      if (!(error instanceof DataDirError) || error.code !== 'locked' || tries >= BUSY_TRIES) throw error;
      await sleep(BUSY_WAIT_MS, undefined, { signal });
    }
  }
}

/** @throws MirrorError where it may not be read: it holds a secret. */
async function servingOf(dir: string): Promise<ServingInfo | undefined> {
  try {
    return await readServing(dir);
  } catch (error) {
    const errno = errnoOf(error) ?? String(error);
    // Root will do here: a mirror that runs is only talked to.
    const hint = isForbidden(error) ? `; run this as the mirror’s user or as root, or ${ELSEWHERE}` : '';
    throw new MirrorError(
      'StorageFailed',
      `a mirror runs on ${dir}, and its serving.json cannot be read: ${errno}${hint}`,
      { cause: error },
    );
  }
}

/** What is said where no mirror has made a cache there. Undefined if one has; whatever else is wrong is found when it is taken. */
async function lackingAt(dir: string): Promise<string | undefined> {
  if (await isMissing(dir)) return `there is no cache directory at ${dir}`;
  return (await isMissing(path.join(dir, 'VERSION')))
    ? `${dir} is no cache of a mirror (it has no VERSION)`
    : undefined;
}

async function isMissing(file: string): Promise<boolean> {
  return stat(file).then(
    () => false,
    (error: unknown) => errnoOf(error) === 'ENOENT',
  );
}

/** Works on the directory in this process. @throws DataDirError `locked` if somebody else has it */
async function withOwnMirror(
  config: Config,
  ca: ReadonlyMap<string, string>,
  options: OptionValues,
  io: CommandIo,
  signal: AbortSignal,
  use: (mirror: MirrorHandle) => Promise<number>,
): Promise<number> {
  // What a mirror logs is for its operator. The person at this terminal wants the command's answer, and what went wrong.
  const level = options.text('log-level') === undefined ? 'error' : config.log.level;
  const { log } = await createLogger({ ...config.log, level }, io.stderr);
  const unfit: string[] = [];
  const { openMirror } = await import('./open-mirror.ts');
  const opened = await openMirror(config, {
    io,
    log,
    ca,
    tls: undefined,
    adminToken: undefined,
    onFinding({ severity, message }) {
      if (severity === 'error') unfit.push(message);
      else warn(io, [message]);
    },
  });
  if (typeof opened === 'string')
    return tell(io, options, { code: 'StorageFailed', message: unfit.join('\n') }, EXIT.failed);
  try {
    const { app } = opened;
    await app.start('command');
    const lists = once(async () =>
      Promise.race([app.catalog.refresh(), sleep(LISTS_WAIT_MS, undefined, { signal, ref: false })]),
    );
    return await use({
      url: undefined,
      signal,
      async run(verb, input, onEvent = ignore) {
        // A mirror that runs has the lists of today; this process has those of the last one at best.
        if (NEED_LISTS.has(verb) && !config.offline) await lists();
        return resultOf(verb, await app.operations[verb].run(input, { signal, onEvent }));
      },
    });
  } finally {
    await opened.close();
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return async () => (done ??= work());
}

/** Somebody else's directory: a service's, most often. What root made there would be of no use to its user. */
function hintOf({ cause }: DataDirError): string {
  return isForbidden(cause) ? `; run this as the mirror’s user, or ${ELSEWHERE}` : '';
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(errnoOf(error) ?? '');
}

function ignore(_event: OperationEvent): void {}

/** The mistake is in what was typed. */
function isUsage({ code }: MirrorError): boolean {
  return code === 'ValidationFailed' || code === 'InvalidParameter';
}

function tell(
  io: CommandIo,
  options: OptionValues,
  error: { readonly code: string; readonly message: string },
  code: number,
): number {
  if (options.has('json')) io.stdout.write(`${JSON.stringify({ error })}\n`);
  else for (const line of error.message.split('\n')) io.stderr.write(`${PRODUCT.name}: ${escape(line)}\n`);
  return code;
}

/** One compact JSON value per line. */
export function writeJson(output: Output, value: object): void {
  output.write(`${JSON.stringify(value)}\n`);
}

/** What was left open, for the person at the terminal. */
export function warn(io: CommandIo, warnings: readonly string[]): void {
  for (const warning of warnings) io.stderr.write(`warning: ${escape(warning)}\n`);
}
