/** The commands there are. Each runs with its parsed options and returns an exit code. */
import { escape } from '../config/problem.ts';
import { PRODUCT } from '../config/product.ts';
import { bashCompletion } from './completion-bash.ts';
import { zshCompletion } from './completion-zsh.ts';
import { configCheck } from './config-check.ts';
import { configPrint } from './config-print.ts';
import { CONFIG_OPTIONS, DRY_RUN_OPTION, JSON_OPTION, MIRROR_OPTIONS } from './flags.ts';
import { EXIT, type CommandIo } from './io.ts';
import { LIST_ORDERS } from '../operations/list-order.ts';
import type { OptionSpecs, OptionValues } from './parse-options.ts';
import { readConfig } from './read-config.ts';
import { reportProblems } from './report-problems.ts';
import { runtimeFindings } from './self-check.ts';
import { createSignals } from './signals.ts';

/** As many as the API takes. */
const MAX_SELECTORS = 1_000;
const SORTS: readonly string[] = LIST_ORDERS.flatMap((order) => [order, `-${order}`]);
const SELECTORS = { usage: 'SELECTOR...', min: 1, max: MAX_SELECTORS };

export interface Command {
  /** One word, or two for a command of a group: `serve`, `config check`. */
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What the help text says beside usage, options and example. */
  readonly about: string;
  readonly options: OptionSpecs;
  /** The arguments beside the options; none are taken where it is left out. */
  readonly positionals?: { readonly usage: string; readonly min: number; readonly max: number };
  readonly example: string;
  run(options: OptionValues, io: CommandIo, positionals: readonly string[]): Promise<number>;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    summary: 'Run the mirror.',
    about:
      'Runs the mirror until SIGTERM or SIGINT. A second signal ends it at once. SIGHUP reads the configuration and the certificate again.',
    options: CONFIG_OPTIONS,
    example: 'imgapi-mirror serve --cache-dir /var/cache/imgapi-mirror --port 8080',
    run: serveCommand,
  },
  {
    name: 'config check',
    summary: 'Say whether the configuration is right, without starting.',
    about:
      'Takes the flags of serve. Exits 0 if serve would start with the configuration, 2 with one line per problem if it would not accept it, 1 if the cache directory, the address or this system would not do. Whether the port is free is not looked at: the mirror itself may have it.',
    options: { ...CONFIG_OPTIONS, ...JSON_OPTION },
    example: 'imgapi-mirror config check --config /etc/imgapi-mirror.yaml',
    run: configCheck,
  },
  {
    name: 'config print',
    summary: 'Print the configuration that serve would use.',
    about: 'Takes the flags of serve. Prints every key as a file would hold it, with secrets masked.',
    options: { ...CONFIG_OPTIONS, ...JSON_OPTION },
    example: 'IMGAPI_MIRROR_CACHE_MAX_BYTES=200GiB imgapi-mirror config print',
    run: configPrint,
  },
  {
    name: 'doctor',
    summary: 'Examine the mirror, as it stands and as its clients meet it.',
    about:
      'Looks at the configuration, the certificate, the cache directory, the mirror that runs on it and its upstreams; then at the mirror as imgadm and sdc-clients do: ping, list, a manifest, a small file, TLS. Lists held back, conflicts and quarantine are told of a mirror that runs. Each line says what was found and what to do. Changes nothing, and needs no mirror to be stopped: of a mirror’s files it reads one that is stored already (a hit in its figures), and where none is, none. Exits 0 if there is no problem, 1 if there is one.',
    options: {
      ...CONFIG_OPTIONS,
      'as-client': {
        type: 'string',
        value: 'URL',
        help: 'the mirror to examine as a client would (default: the one that runs on the cache directory)',
      },
      ...JSON_OPTION,
    },
    example: 'imgapi-mirror doctor --as-client http://mirror.example.com:8080',
    run: doctorCommand,
  },
  {
    name: 'completion bash',
    summary: 'Print what makes bash complete these commands.',
    about: 'Commands, options and the fixed values of options, for bash 3.2 and newer.',
    options: {},
    example: 'source <(imgapi-mirror completion bash)',
    run: async (_options, io) => printText(io, bashCompletion(COMMANDS)),
  },
  {
    name: 'completion zsh',
    summary: 'Print what makes zsh complete these commands.',
    about: 'Commands, options and the fixed values of options, for zsh with compinit.',
    options: {},
    example: 'source <(imgapi-mirror completion zsh)',
    run: async (_options, io) => printText(io, zshCompletion(COMMANDS)),
  },
  {
    name: 'list',
    summary: 'List the images that are known.',
    about:
      'Lists every image the mirror knows, or those that any of the selectors selects: what the upstreams list, and what is kept here although no list has it any more. The terms of one selector must all hold.',
    options: {
      ...MIRROR_OPTIONS,
      cached: { type: 'boolean', help: 'only those whose files are all stored' },
      sort: {
        type: 'string',
        value: 'FIELD',
        values: SORTS,
        help: `${LIST_ORDERS.join(', ')}: rising, so published (the default): oldest first; -FIELD: falling, so -published: newest first, -cached: cached ones first`,
      },
      limit: { type: 'string', value: 'N', help: 'the first N of them' },
    },
    positionals: { usage: '[SELECTOR...]', min: 0, max: MAX_SELECTORS },
    example: "imgapi-mirror list 'name=base-64* latest=2 with-origins' --cached --sort -size",
    run: late(async () => (await import('./list.ts')).list),
  },
  {
    name: 'show',
    summary: 'Show all that is known of one image.',
    about:
      'Shows what its manifest says of an image, where it can be had from, what is stored of it, what it rests on and what rests on it. The beginning of its uuid will do, from 8 digits on. With --json the whole manifest.',
    options: MIRROR_OPTIONS,
    positionals: { usage: 'UUID', min: 1, max: 1 },
    example: 'imgapi-mirror show 1d05e788-5409-11eb-b12f-037bd7fee4ee',
    run: late(async () => (await import('./show.ts')).show),
  },
  {
    name: 'status',
    summary: 'Show what the mirror is, has and does.',
    about:
      'Shows savings, disk, upstreams and running downloads. With --watch again every second until Ctrl-C; with --json one object each time.',
    options: { ...MIRROR_OPTIONS, watch: { type: 'boolean', help: 'again every second' } },
    example: 'imgapi-mirror status --watch',
    run: late(async () => (await import('./status.ts')).status),
  },
  {
    name: 'refresh',
    summary: 'Ask the upstreams for their lists now.',
    about:
      'Fetches every list anew and forgets what the upstreams did not have. A list that is empty or much shorter than the last one is held back, unless --accept takes it. Exits 1 if a list could not be had or was held back.',
    options: {
      ...MIRROR_OPTIONS,
      accept: { type: 'boolean', help: 'take lists that are held back for being too short' },
    },
    example: 'imgapi-mirror refresh --accept',
    run: late(async () => (await import('./refresh.ts')).refresh),
  },
  {
    name: 'prefetch',
    summary: 'Fetch images before they are asked for.',
    about:
      'Fetches the files of the images that any of the selectors selects, origins first. With --dry-run it says what that would be, and what would have to go for it. What clients want goes before it. Interrupted, it goes on where it was when it is run again. Exits 1 if an image could not be fetched, or an origin that with-origins asks for was not found.',
    options: { ...MIRROR_OPTIONS, ...DRY_RUN_OPTION },
    positionals: SELECTORS,
    example: "imgapi-mirror prefetch 'name=base-64-lts latest=2 with-origins'",
    run: late(async () => (await import('./prefetch.ts')).prefetch),
  },
  {
    name: 'pin',
    summary: 'Keep images, and all they rest on, from eviction.',
    about:
      'Pins the images that any of the selectors selects, with their chain of origins. Fetches nothing: prefetch does.',
    options: { ...MIRROR_OPTIONS, ...DRY_RUN_OPTION },
    positionals: SELECTORS,
    example: "imgapi-mirror pin 'name=base-64-lts latest=1'",
    run: late(async () => (await import('./pin.ts')).pin),
  },
  {
    name: 'unpin',
    summary: 'Let eviction take images again.',
    about: 'Removes the pins of the images that any of the selectors selects. Removes no file.',
    options: { ...MIRROR_OPTIONS, ...DRY_RUN_OPTION },
    positionals: SELECTORS,
    example: 'imgapi-mirror unpin pinned',
    run: late(async () => (await import('./pin.ts')).unpin),
  },
  {
    name: 'evict',
    summary: 'Remove the files of images from the cache.',
    about:
      'Shows what would be removed; with --yes it is. What is pinned stays, and so does what a pinned or kept image rests on: it is named, with the reason.',
    options: { ...MIRROR_OPTIONS, ...DRY_RUN_OPTION, yes: { type: 'boolean', short: 'y', help: 'do it' } },
    positionals: SELECTORS,
    example: "imgapi-mirror evict 'name=debian-* published<2022-01-01 cached' --yes",
    run: late(async () => (await import('./evict.ts')).evict),
  },
  {
    name: 'accept',
    summary: 'Take what an upstream now says of an image.',
    about:
      'The first SHA-1 and size that were seen for a uuid stay in force, whatever an upstream says later. This takes the later word instead. list conflict shows which; the beginning of a uuid will do, from 8 digits on.',
    options: { ...MIRROR_OPTIONS, ...DRY_RUN_OPTION },
    positionals: { usage: 'UUID...', min: 1, max: MAX_SELECTORS },
    example: 'imgapi-mirror accept 1d05e788-5409-11eb-b12f-037bd7fee4ee',
    run: late(async () => (await import('./accept.ts')).accept),
  },
  {
    name: 'scrub',
    summary: 'Read everything stored again and check it.',
    about:
      'Checks the SHA-1 and SHA-256 of every stored file, sets aside what has rotted, and fetches it again. A mirror that runs does the same in the background every cache.scrubEvery. Exits 1 if something could not be checked or could not be fetched again.',
    options: MIRROR_OPTIONS,
    example: 'imgapi-mirror scrub',
    run: late(async () => (await import('./scrub.ts')).scrub),
  },
  {
    name: 'export',
    summary: 'Write images to a bundle, for a site without a network.',
    about:
      'Writes the cached images that any of the selectors selects to one tar file, with FILE.sha256 beside it. The same images make the same bytes. Interrupted, it goes on where it was when it is run again. What is not cached is named: prefetch fetches it. A host without a mirror can use the files too: tar xf FILE, then imgadm install -m X.imgmanifest -f X.zfs.gz.',
    options: {
      ...MIRROR_OPTIONS,
      output: { type: 'string', short: 'o', value: 'FILE', help: 'the bundle to write' },
      since: { type: 'string', value: 'BUNDLE', help: 'an older bundle: what it has is left out' },
      split: { type: 'string', value: 'SIZE', help: 'write volumes FILE.001, FILE.002, ... of at most this size' },
      sign: { type: 'string', value: 'KEY', help: 'an Ed25519 private key (PEM) to sign it with' },
      ...DRY_RUN_OPTION,
    },
    positionals: SELECTORS,
    example: "imgapi-mirror export 'name=base-64-lts latest=2 with-origins' -o /media/disk/images.bundle",
    run: late(async () => (await import('./export.ts')).exportImages),
  },
  {
    name: 'import',
    summary: 'Take the images of a bundle in.',
    about:
      'Checks everything in the bundle before anything of it is seen; a bundle that is damaged, or made to do harm, changes nothing. The images form an upstream named imported, which comes after the others. Interrupted, it goes on where it was when it is run again. Of volumes name the first.',
    options: {
      ...MIRROR_OPTIONS,
      trust: { type: 'string', value: 'PUBKEY', help: 'an Ed25519 public key (PEM): refuse what it has not signed' },
      ...DRY_RUN_OPTION,
    },
    positionals: { usage: 'BUNDLE', min: 1, max: 1 },
    example: 'imgapi-mirror import /media/disk/images.bundle --trust /etc/imgapi-mirror/depot.pub',
    run: late(async () => (await import('./import.ts')).importBundle),
  },
  {
    name: 'verify',
    summary: 'Check a bundle without taking anything of it.',
    about:
      'Reads all of a bundle, or of its volumes, and checks every SHA-1. Needs no mirror and no cache directory. Exits 1 if the bundle is not sound.',
    options: {
      trust: { type: 'string', value: 'PUBKEY', help: 'an Ed25519 public key (PEM): refuse what it has not signed' },
      ...JSON_OPTION,
    },
    positionals: { usage: 'BUNDLE', min: 1, max: 1 },
    example: 'imgapi-mirror verify /media/disk/images.bundle',
    run: late(async () => (await import('./verify.ts')).verify),
  },
];

/** Loads a command when it is run: the clients of one are not needed for the help of another. */
function late(load: () => Promise<Command['run']>): Command['run'] {
  return async (...given) => (await load())(...given);
}

async function serveCommand(options: OptionValues, io: CommandIo): Promise<number> {
  const read = await readConfig(io, options);
  if (!read.ok) return reportProblems(io, read.problems, false);
  for (const { message } of runtimeFindings()) {
    io.stderr.write(`${PRODUCT.name}: ${escape(message)}\n`);
    return EXIT.failed;
  }
  const signals = createSignals(io);
  // Loaded late: the other commands need no server, and start in a fraction of its time.
  const { serve } = await import('./serve.ts');
  return serve(read.config, io, { signals, warnings: read.warnings, reread: async () => readConfig(io, options) });
}

async function doctorCommand(options: OptionValues, io: CommandIo): Promise<number> {
  // Loaded late: nobody else needs its clients.
  const { doctor } = await import('./doctor.ts');
  return doctor(options, io);
}

function printText(io: CommandIo, text: string): number {
  io.stdout.write(text);
  return EXIT.done;
}
