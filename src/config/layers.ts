/** The three sources of a configuration (file, environment, flags), each brought to the same form: raw values by key, and where they stand. */
import { listKeys, type ConfigKey } from './keys.ts';
import { isUpstreamName } from './formats.ts';
import { isMapping } from './mapping.ts';
import { nearest } from './nearest.ts';
import { escape, type ConfigProblem, type KeyPath } from './problem.ts';
import { parseYaml } from './yaml-text.ts';

/** What one source says. */
export interface ConfigLayer {
  /** Mappings of keys as in a file, with only the keys this source has. */
  readonly values: unknown;
  /** Where the key stands: `FILE:LINE`, a variable, a flag. */
  readonly where: (path: KeyPath) => string | undefined;
}

/** What the command line says, as text; keys are left out where a flag is. */
export interface ConfigFlags {
  /** `[NAME=]URL`; any of them replaces the whole list. */
  readonly upstreams?: readonly string[] | undefined;
  readonly cacheDir?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly offline?: boolean | undefined;
  readonly logLevel?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Problems = ConfigProblem[];

/** Names the configuration file; not a key itself. */
export const CONFIG_VARIABLE = 'IMGAPI_MIRROR_CONFIG';

const PREFIX = 'IMGAPI_MIRROR_';

/** What Kubernetes puts into every container beside a service called imgapi-mirror. Refusing these would refuse to start there. */
const SERVICE_LINK =
  /^IMGAPI_MIRROR_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;

function isServiceLink(name: string, value: string): boolean {
  return SERVICE_LINK.test(name) || (name === 'IMGAPI_MIRROR_PORT' && /^(?:tcp|udp|sctp):\/\//.test(value));
}

/** The file's layer; undefined, with problems, when its text is no mapping. */
export function fileLayer(
  file: { readonly path: string; readonly text: string },
  problems: Problems,
): ConfigLayer | undefined {
  const parsed = parseYaml(file.text);
  if (!parsed.ok) {
    for (const { line, column, message } of parsed.problems) {
      problems.push({ key: '', where: `${file.path}:${line}:${column}`, message });
    }
    return undefined;
  }
  const { value, lineOf } = parsed;
  // Nothing but comments is a file that leaves everything at its default.
  if (value === null) return { values: {}, where: () => file.path };
  if (!isMapping(value)) {
    const found = Array.isArray(value) ? 'a list' : 'a single value';
    problems.push({
      key: '',
      where: `${file.path}:1:1`,
      message: `found ${found}; a mapping of keys (listen:, upstreams:, ...) would do`,
    });
    return undefined;
  }
  return {
    values: value,
    where: (path) => {
      const line = lineOf(path);
      return line === undefined ? file.path : `${file.path}:${line}`;
    },
  };
}

/** The environment's layer. A variable that is set but empty counts as not set: service managers cannot unset one. */
export function environmentLayer(env: Environment, problems: Problems): ConfigLayer {
  const keys = new Map<string, ConfigKey>();
  for (const key of listKeys()) if (key.variable !== undefined) keys.set(key.variable, key);
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (
      !name.startsWith(PREFIX) ||
      name === CONFIG_VARIABLE ||
      value === undefined ||
      value === '' ||
      isServiceLink(name, value)
    )
      continue;
    const key = keys.get(name);
    if (key === undefined) {
      const near = nearestVariable(name, [...keys.keys(), CONFIG_VARIABLE]);
      const hint = near === undefined ? 'docs/configuration.md lists them' : `the nearest known one is ${near}`;
      problems.push({ key: '', where: escape(name), message: `unknown variable; ${hint}` });
      continue;
    }
    const parsed = valueFromText(key, value);
    if ('message' in parsed) problems.push({ key: key.name, where: name, message: parsed.message });
    else setIn(values, key.path, parsed.value);
  }
  const variables = [...keys.values()];
  return { values, where: (path) => variables.find((key) => startsWith(path, key.path))?.variable };
}

/** By the part behind the prefix, which would make every name look near; or the one that ends so (`PORT` is `LISTEN_PORT`). */
function nearestVariable(name: string, known: readonly string[]): string | undefined {
  const rest = name.slice(PREFIX.length);
  const near = nearest(
    rest,
    known.map((variable) => variable.slice(PREFIX.length)),
  );
  return near === undefined ? known.find((variable) => variable.endsWith(`_${rest}`)) : PREFIX + near;
}

/** The command line's layer. */
export function flagsLayer(flags: ConfigFlags): ConfigLayer {
  const values: Record<string, unknown> = {};
  const names: { readonly path: KeyPath; readonly flag: string }[] = [];
  const set = (flag: string, path: readonly string[], value: unknown): void => {
    if (value === undefined) return;
    setIn(values, path, value);
    names.push({ path, flag });
  };
  // No port is written with other than digits; what is not goes on as text, for the message about it.
  set(
    '--port',
    ['listen', 'port'],
    flags.port !== undefined && /^\d{1,15}$/.test(flags.port) ? Number(flags.port) : flags.port,
  );
  set('--host', ['listen', 'host'], flags.host);
  set('--cache-dir', ['cache', 'dir'], flags.cacheDir);
  set('--offline', ['offline'], flags.offline);
  set('--log-level', ['log', 'level'], flags.logLevel);
  if (flags.upstreams !== undefined && flags.upstreams.length > 0) {
    set('--upstream', ['upstreams'], flags.upstreams.map(parseUpstreamFlag));
  }
  return { values, where: (path) => names.find((known) => startsWith(path, known.path))?.flag };
}

/** `NAME=URL` or `URL`. A URL may hold "=" itself, so what stands before the first one must be able to be a name. */
export function parseUpstreamFlag(text: string): { readonly name?: string; readonly url: string } {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(at, 0));
  return isUpstreamName(name) ? { name, url: text.slice(at + 1) } : { url: text };
}

/** Text from outside as the raw value a file would have: lists and mappings are YAML, the rest is taken as it stands. */
function valueFromText(
  { schema, isNullable }: ConfigKey,
  text: string,
): { readonly value: unknown } | { readonly message: string } {
  if (isNullable && text === 'null') return { value: null };
  if (schema.type === 'boolean' && (text === 'true' || text === 'false')) return { value: text === 'true' };
  if (schema.type === 'integer' && /^-?\d{1,15}$/.test(text)) return { value: Number(text) };
  if (schema.items === undefined && schema.type !== 'object') return { value: text };
  const parsed = parseYaml(text);
  if (parsed.ok) return { value: parsed.value };
  const [problem] = parsed.problems;
  return { message: `not YAML: line ${problem?.line}, column ${problem?.column}: ${problem?.message}` };
}

function startsWith(path: KeyPath, start: KeyPath): boolean {
  return start.every((step, index) => path[index] === step);
}

function setIn(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [step, ...rest] = path;
  if (step === undefined) return;
  if (rest.length === 0) {
    target[step] = value;
    return;
  }
  const inner: Record<string, unknown> = { ...(isMapping(target[step]) ? target[step] : {}) };
  target[step] = inner;
  setIn(inner, rest, value);
}
