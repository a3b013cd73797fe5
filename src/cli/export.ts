/** `export`: writes images to a bundle. */
import { escape } from '../config/problem.ts';
import { counted, parseSize, roughSize } from '../config/units.ts';
import { absolute, createBundleTeller, pathOption, usageError } from './bundle-values.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { warn, withMirror, writeJson } from './with-mirror.ts';

export async function exportImages(
  options: OptionValues,
  io: CommandIo,
  selectors: readonly string[],
): Promise<number> {
  const given = options.text('output');
  if (given === undefined) return usageError(io, 'export: -o FILE is missing (imgapi-mirror export --help)');
  const splitText = options.text('split');
  const split = splitText === undefined ? undefined : parseSize(splitText);
  if (splitText !== undefined && split === undefined) {
    return usageError(io, `--split: found ${JSON.stringify(splitText)}; a size such as 4GiB would do`);
  }
  return withMirror(options, io, async (mirror) => {
    const asJson = options.has('json');
    const dryRun = options.has('dry-run');
    const input = {
      selectors,
      output: absolute(io, given),
      ...pathOption(options, io, 'since'),
      ...pathOption(options, io, 'sign'),
      ...(split === undefined ? {} : { split }),
      dryRun,
    };
    const teller = createBundleTeller(io, 'export', asJson);
    const result = await mirror.run('export', input, (event) => teller.onEvent(event)).finally(() => teller.end());
    if (asJson) {
      writeJson(io.stdout, result);
      return EXIT.done;
    }
    warn(io, result.warnings);
    const adds = result.since === null ? '' : `, ${result.unchanged} of them unchanged and left out`;
    const verb = dryRun ? 'would write' : 'wrote';
    io.stdout.write(
      `${verb} ${counted(result.images, 'image')}${adds}: ${roughSize(result.bytes)}${result.signed ? ', signed' : ''}\n`,
    );
    for (const path of result.paths) io.stdout.write(`${escape(path)}\n`);
    return EXIT.done;
  });
}
