/** The flags that several commands share, and what they say to the configuration. */
import type { ConfigFlags } from '../config/layers.ts';
import type { Config } from '../config/schema.ts';
import type { OptionSpecs, OptionValues } from './parse-options.ts';

const LOG_LEVELS: readonly Config['log']['level'][] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** Flags of every command that reads the configuration. */
export const CONFIG_OPTIONS: OptionSpecs = {
  config: { type: 'string', value: 'FILE', help: 'the configuration file (else IMGAPI_MIRROR_CONFIG, else none)' },
  upstream: {
    type: 'string',
    multiple: true,
    value: '[NAME=]URL',
    help: 'an image server; repeatable; replaces the configured list',
  },
  'cache-dir': { type: 'string', value: 'DIR', help: 'the folder everything is kept in (default ./var/cache)' },
  host: { type: 'string', value: 'HOST', help: 'the address to listen on (default 0.0.0.0)' },
  port: { type: 'string', value: 'PORT', help: 'the port to listen on (default 8080; 0 chooses one)' },
  offline: { type: 'boolean', help: 'never ask an upstream' },
  'log-level': {
    type: 'string',
    value: 'LEVEL',
    values: LOG_LEVELS,
    help: 'fatal, error, warn, info, debug, trace or silent (default info)',
  },
};

export const JSON_OPTION: OptionSpecs = {
  json: { type: 'boolean', help: 'one JSON value per line on standard output, the last one the result' },
};

/** Flags of every command that asks a mirror: where it is, and what serve was given if it has to be built here. */
export const MIRROR_OPTIONS: OptionSpecs = {
  ...Object.fromEntries(Object.entries(CONFIG_OPTIONS).filter(([name]) => name !== 'host' && name !== 'port')),
  mirror: { type: 'string', value: 'URL', help: 'a mirror elsewhere, in place of the one on the cache directory' },
  token: { type: 'string', value: 'TOKEN', help: 'its admin token (else admin.token or admin.tokenFile)' },
  ...JSON_OPTION,
};

export const DRY_RUN_OPTION: OptionSpecs = {
  'dry-run': { type: 'boolean', short: 'n', help: 'say what would be done and do nothing' },
};

export const HELP_OPTION: OptionSpecs = { help: { type: 'boolean', short: 'h', help: 'this text' } };

/** What the shared flags say, for `loadConfig`. */
export function configFlags(options: OptionValues): ConfigFlags {
  return {
    upstreams: options.texts('upstream'),
    cacheDir: options.text('cache-dir'),
    host: options.text('host'),
    port: options.text('port'),
    offline: options.has('offline') ? true : undefined,
    logLevel: options.text('log-level'),
  };
}
