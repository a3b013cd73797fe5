/** What a container image says of itself, out of `buildah inspect`. */
import { Type } from 'typebox';
import { Value } from 'typebox/value';

export interface ImageConfig {
  /** Entrypoint and command: what a container runs if nothing else is said. */
  readonly command: readonly string[];
  readonly entrypoint: readonly string[];
  /** The health check's command line. */
  readonly healthcheck: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  readonly user: string;
  /** `8080/tcp` each. */
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const Strings = Type.Array(Type.String());
const Keys = Type.Record(Type.String(), Type.Unknown());
const Inspected = Type.Object({
  Docker: Type.Object({
    config: Type.Object({
      User: Type.String(),
      Env: Strings,
      Cmd: Strings,
      Entrypoint: Strings,
      Healthcheck: Type.Object({ Test: Strings }),
      ExposedPorts: Keys,
      Volumes: Keys,
      Labels: Type.Record(Type.String(), Type.String()),
    }),
  }),
});

/** @throws if the image lacks one of them. */
export function readImageConfig(inspected: string): ImageConfig {
  const { config } = Value.Parse(Inspected, JSON.parse(inspected)).Docker;
  const [kind, ...healthcheck] = config.Healthcheck.Test;
  if (kind !== 'CMD') throw new Error(`the health check is not an argument list: ${kind}`);
  return {
    command: [...config.Entrypoint, ...config.Cmd],
    entrypoint: config.Entrypoint,
    healthcheck,
    env: config.Env,
    user: config.User,
    ports: Object.keys(config.ExposedPorts),
    volumes: Object.keys(config.Volumes),
    labels: config.Labels,
  };
}
