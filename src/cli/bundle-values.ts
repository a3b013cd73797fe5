/** What the commands of bundles have in common. */
import path from 'node:path';
import { escape } from '../config/problem.ts';
import { PRODUCT } from '../config/product.ts';
import { counted, roughSize } from '../config/units.ts';
import type { BundleProgressEvent } from '../operations/bundle-progress.ts';
import type { OperationEvent } from '../operations/operation.ts';
import type { BundleSummary } from '../operations/verify.ts';
import { createBars } from './bars.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { writeJson } from './with-mirror.ts';

/** Paths on the command line are relative to where it was typed; the mirror may have been started elsewhere. */
export function absolute(io: CommandIo, given: string): string {
  return path.resolve(io.cwd, given);
}

/** `{name: absolute path}` for an option that is there, else nothing. */
export function pathOption(options: OptionValues, io: CommandIo, name: string): Readonly<Record<string, string>> {
  const given = options.text(name);
  return given === undefined ? {} : { [name]: absolute(io, given) };
}

export interface BundleTeller {
  onEvent(event: OperationEvent): void;
  /** Removes the bar. */
  end(): void;
}

/** Shows progress as a bar, or hands it on as JSON. */
export function createBundleTeller(io: CommandIo, label: string, asJson: boolean): BundleTeller {
  const bars = createBars(io.stderr, () => performance.now());
  return {
    onEvent(event) {
      if (asJson) writeJson(io.stdout, event);
      else if (isProgress(event)) bars.show([{ label, done: event.doneBytes, total: event.totalBytes }]);
    },
    end: () => bars.end(),
  };
}

/** One line on what a bundle is. */
export function summaryLine({ images, unchanged, files, bytes, since, signature }: BundleSummary): string {
  const signed = {
    none: 'not signed',
    unchecked: 'signed, but no key to trust was given',
    trusted: 'signature trusted',
  };
  const adds = since === null ? '' : `, ${unchanged} of them in the older bundle ${since.slice(0, 12)}`;
  return `${counted(images, 'image')}${adds}, ${counted(files, 'file')}, ${roughSize(bytes)}, ${signed[signature]}`;
}

export function usageError(io: CommandIo, message: string): number {
  io.stderr.write(`${PRODUCT.name}: ${escape(message)}\n`);
  return EXIT.usage;
}

function isProgress(event: OperationEvent): event is BundleProgressEvent {
  return event.type === 'progress';
}
