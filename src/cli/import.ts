/** `import`: takes the images of a bundle in. */
import { openVolumes } from '../bundle/volumes.ts';
import { counted, roughSize } from '../config/units.ts';
import { absolute, createBundleTeller, pathOption, summaryLine } from './bundle-values.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { withMirrorOrNew, writeJson, type MirrorHandle } from './with-mirror.ts';

export async function importBundle(
  options: OptionValues,
  io: CommandIo,
  [bundle = '']: readonly string[],
): Promise<number> {
  const file = absolute(io, bundle);
  const use = async (mirror: MirrorHandle): Promise<number> => {
    const asJson = options.has('json');
    const dryRun = options.has('dry-run');
    const input = { bundle: file, ...pathOption(options, io, 'trust'), dryRun };
    const teller = createBundleTeller(io, 'import', asJson);
    const result = await mirror.run('import', input, (event) => teller.onEvent(event)).finally(() => teller.end());
    if (asJson) {
      writeJson(io.stdout, result);
      return EXIT.done;
    }
    const verb = dryRun ? 'would import' : 'imported';
    io.stdout.write(
      `${verb} ${counted(result.imported, 'image')}: ${counted(result.storedFiles, 'file')} (${roughSize(result.storedBytes)}) that were not here\n`,
    );
    io.stdout.write(`the bundle: ${summaryLine(result)}\n`);
    return EXIT.done;
  };
  return withMirrorOrNew(options, io, use, async () => {
    // A mistyped name must not leave a cache directory behind.
    const volumes = await openVolumes(file);
    await volumes.close();
  });
}
