/** `doctor`: what is wrong with this mirror, as it stands and as its clients meet it, and what to do about it. */
import { formatProblem } from '../config/problem.ts';
import { escape } from '../config/problem.ts';
import { PRODUCT } from '../config/product.ts';
import { counted } from '../config/units.ts';
import { checkAsClient } from '../doctor/as-client.ts';
import { findingLine, ok, problem, warning, type Finding, type Report, type Verdict } from '../doctor/finding.ts';
import { checkHere } from './doctor-here.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { readConfig } from './read-config.ts';

/** Each finding is written as soon as it is made; the last line, or JSON value, is the result. */
export async function doctor(options: OptionValues, io: CommandIo): Promise<number> {
  const asClient = options.text('as-client');
  if (asClient !== undefined && !isClientUrl(asClient)) {
    io.stderr.write(
      `${PRODUCT.name}: --as-client: found ${escape(JSON.stringify(asClient))}; a URL such as http://mirror.example.com:8080 would do (${PRODUCT.name} doctor --help)\n`,
    );
    return EXIT.usage;
  }
  const asJson = options.has('json');
  const counts: Record<Verdict, number> = { ok: 0, warning: 0, problem: 0 };
  const report: Report = (finding: Finding) => {
    counts[finding.verdict] += 1;
    io.stdout.write(`${asJson ? JSON.stringify(finding) : findingLine(finding)}\n`);
  };
  const own = await checkOwn(options, io, report);
  const url = asClient ?? own?.address;
  if (url !== undefined) {
    const tlsName = asClient === undefined ? own?.publicName : nameOf(asClient);
    await checkAsClient(report, {
      url,
      tlsName,
      userAgent: `${PRODUCT.name}/${PRODUCT.version} doctor`,
      nowMs: Date.now(),
      looksAtStatus: own?.address === undefined || new URL(own.address).origin !== new URL(url).origin,
    });
  }
  const isWell = counts.problem === 0;
  const { problem: problems, warning: warnings } = counts;
  io.stdout.write(
    asJson
      ? `${JSON.stringify({ ok: isWell, problems, warnings })}\n`
      : `${isWell ? 'no problem' : counted(problems, 'problem')}, ${counted(warnings, 'warning')}\n`,
  );
  return isWell ? EXIT.done : EXIT.failed;
}

/** The mirror of this configuration: the address it serves at, and the name its clients use where that is known. */
async function checkOwn(
  options: OptionValues,
  io: CommandIo,
  report: Report,
): Promise<{ readonly address: string | undefined; readonly publicName: string | undefined } | undefined> {
  const read = await readConfig(io, options);
  if (!read.ok) {
    for (const found of read.problems) {
      report(problem('config', formatProblem(found), 'correct it; config check says when it is right'));
    }
    return undefined;
  }
  report(ok('config', read.file === undefined ? 'defaults, environment and flags; no file' : `${read.file} is right`));
  for (const text of read.warnings) report(warning('config', text, 'see docs/configuration.md'));
  const { publicUrl } = read.config.listen;
  const address = await checkHere(read.config, io, report);
  return { address, publicName: publicUrl === null ? undefined : nameOf(publicUrl) };
}

function isClientUrl(text: string): boolean {
  const url = URL.parse(text);
  const isPlain = url !== null && url.username === '' && url.password === '' && !/[?#\s]/.test(text);
  return isPlain && (url.protocol === 'http:' || url.protocol === 'https:') && /^https?:\/\//i.test(text);
}

/** The host of a URL, an IPv6 address without its brackets. */
function nameOf(url: string): string {
  return new URL(url).hostname.replaceAll(/[[\]]/g, '');
}
