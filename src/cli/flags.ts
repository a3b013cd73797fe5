/** The flags that several commands share, and what they say to the configuration. */
import type { ConfigFlags } from '../config/layers.ts';
import type { OptionSpecs, OptionValues } from './parse-options.ts';

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
  offline: { type: 'boolean', help: 'never ask an upstream (not available yet)' },
  'log-level': {
    type: 'string',
    value: 'LEVEL',
    help: 'fatal, error, warn, info, debug, trace or silent (default info)',
  },
};

export const HELP_OPTION: OptionSpecs = { help: { type: 'boolean', short: 'h', help: 'this text' } };

export const JSON_OPTION: OptionSpecs = {
  json: { type: 'boolean', help: 'one JSON value per line on standard output, the last one the result' },
};

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
