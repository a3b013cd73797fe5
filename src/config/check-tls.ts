/** What about `listen` follows from several keys at once. */
import type { Report } from './problem.ts';
import type { Config } from './schema.ts';

/** A certificate needs its key and a key its certificate. */
export function checkTlsKeys(tls: Config['listen']['tls'] | undefined, report: Report): void {
  const { certFile = null, keyFile = null } = tls ?? {};
  if (certFile !== null && keyFile === null) report(['listen', 'tls', 'keyFile'], 'missing; certFile needs its key');
  if (keyFile !== null && certFile === null) {
    report(['listen', 'tls', 'certFile'], 'missing; keyFile needs its certificate');
  }
}
