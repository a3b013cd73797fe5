/** `<cache-dir>/pins.json`: the pins, one on a line, so that a person can read and mend it. */
import { rename } from 'node:fs/promises';
import { replaceFile } from '../blobs/durable-file.ts';
import { storageError } from '../blobs/errno.ts';
import { isJsonObject, parseJson, readSmallFile } from '../blobs/json-file.ts';
import type { Log } from '../config/log.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';

/** Who pinned an image: a person, or a configured selector that matches it. */
export const PIN_SOURCES = ['operator', 'config'] as const;
export type PinSource = (typeof PIN_SOURCES)[number];

/** An image that eviction never takes, nor what it rests on. */
export interface Pin {
  readonly uuid: ImageUuid;
  /** ISO 8601. */
  readonly since: string;
  readonly by: PinSource;
}

/** Most pins: more than any catalog has images. */
export const MAX_PINS = 50_000;
/** An entry is some 110 bytes. */
const MAX_BYTES = 16 * 1024 * 1024;

export interface PinsFile {
  /**
   * Empty if there is none. A damaged one is renamed to `pins.json.corrupt-<ms>` and logged, and what is sound in it counts on.
   * @throws MirrorError InternalError if it cannot be read
   */
  read(): Promise<readonly Pin[]>;
  /** Replaces it, durably. @throws MirrorError InternalError */
  write(pins: readonly Pin[]): Promise<void>;
}

export function createPinsFile(
  deps: { readonly log: Log; readonly now: () => number },
  options: { readonly path: string },
): PinsFile {
  const { path } = options;

  async function setAside(sound: readonly Pin[], fault: string): Promise<void> {
    const aside = `${path}.corrupt-${deps.now()}`;
    await rename(path, aside);
    // At once: what could still be read must not be lost with the next restart.
    await replaceFile(path, textOf(sound));
    deps.log.error(
      { path, aside, fault, pins: sound.length },
      'pins were damaged: set aside, what was readable is kept',
    );
  }

  return {
    async read() {
      try {
        const text = await readSmallFile(path, MAX_BYTES);
        if (text === undefined) return [];
        const { pins, fault } = parsePins(text);
        if (fault !== undefined) await setAside(pins, fault);
        return pins;
      } catch (error) {
        throw storageError('the pins could not be read', error, { path });
      }
    },
    async write(pins) {
      try {
        await replaceFile(path, textOf(pins));
      } catch (error) {
        throw storageError('the pins could not be written', error, { path });
      }
    },
  };
}

function textOf(pins: readonly Pin[]): string {
  const lines = pins.map(({ uuid, since, by }) => `    ${JSON.stringify({ uuid, since, by })}`);
  return `{\n  "pins": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** The sound pins of a text, and what is wrong with it; of a text that was cut short, the lines before the cut. */
function parsePins(text: string): { readonly pins: readonly Pin[]; readonly fault?: string } {
  const value = parseJson(text);
  if (isJsonObject(value) && Array.isArray(value['pins']) && value['pins'].length <= MAX_PINS) {
    const entries: unknown[] = value['pins'];
    const pins = entries.filter(isPin);
    return pins.length === entries.length ? { pins } : { pins, fault: 'some entries are no pins' };
  }
  const lines = text.split('\n', MAX_PINS + 10).map((line) => parseJson(line.trim().replace(/,$/, '')));
  return { pins: lines.filter(isPin).slice(0, MAX_PINS), fault: 'not the JSON of pins' };
}

function isPin(value: unknown): value is Pin {
  if (!isJsonObject(value)) return false;
  const { uuid, since, by } = value;
  return (
    isImageUuid(uuid) &&
    typeof since === 'string' &&
    !Number.isNaN(Date.parse(since)) &&
    PIN_SOURCES.some((source) => source === by)
  );
}
