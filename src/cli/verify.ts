/** `verify`: checks a bundle where it lies. It needs neither a mirror nor a cache directory. */
import { escape } from '../config/problem.ts';
import { PRODUCT } from '../config/product.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { OperationEvent } from '../operations/operation.ts';
import { createVerify } from '../operations/verify.ts';
import { absolute, createBundleTeller, summaryLine } from './bundle-values.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { createSignals } from './signals.ts';
import { writeJson } from './with-mirror.ts';

/** Exits 1 if the bundle is not sound or not signed by who is trusted. */
export async function verify(options: OptionValues, io: CommandIo, [bundle = '']: readonly string[]): Promise<number> {
  const asJson = options.has('json');
  const signals = createSignals(io, { endsWithReader: true });
  const teller = createBundleTeller(io, 'verify', asJson);
  try {
    const trust = options.text('trust');
    const input = { bundle: absolute(io, bundle), ...(trust === undefined ? {} : { trust: absolute(io, trust) }) };
    const context = { signal: signals.stopped, onEvent: (event: OperationEvent) => teller.onEvent(event) };
    const result = await createVerify({ monotonicNow: () => performance.now() }).run(input, context);
    teller.end();
    if (asJson) writeJson(io.stdout, result);
    else io.stdout.write(`sound: ${summaryLine(result)}\n`);
    return EXIT.done;
  } catch (error) {
    teller.end();
    if (signals.isReaderGone) return EXIT.readerGone;
    if (!(error instanceof MirrorError) && !signals.stopped.aborted) throw error;
    const body = error instanceof MirrorError ? error.toBody() : { code: 'Interrupted', message: 'interrupted' };
    if (asJson) writeJson(io.stdout, { error: body });
    else io.stderr.write(`${PRODUCT.name}: ${escape(body.message)}\n`);
    return body.code === 'ValidationFailed' ? EXIT.usage : EXIT.failed;
  } finally {
    signals.release();
  }
}
