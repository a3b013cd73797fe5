/** The figures of a chaos run, for people. */
import type { ChaosReport } from './chaos.ts';

/** True if nothing happened that must not. */
export function isSound(report: ChaosReport): boolean {
  const { wrong, hung, leakedDescriptors, leakedFiles, healed, files } = report;
  return wrong.length + hung.length + leakedDescriptors + leakedFiles.length === 0 && healed === files;
}

export function formatReport(report: ChaosReport): string {
  const { wrong, hung, leakedFiles } = report;
  const rows: readonly (readonly [string, string | number])[] = [
    ['downloads', report.downloads],
    ['wrong clean ends', wrong.length],
    ['hung responses', hung.length],
    ['leaked descriptors', report.leakedDescriptors],
    ['leaked files', leakedFiles.length],
    ['healed', `${report.healed}/${report.files}`],
    ['restarts', `${report.restarts}, of them ${report.kills} by kill -9`],
    ['answers', listed(report.verdicts)],
    ['asked again', `${report.askedAgain} times, at once after a broken answer`],
    ['by X-Cache', listed(report.caches)],
    ['faults', listed(report.faults)],
    ['most memory', `${Math.round(report.peakRssMib)} MiB, upstreams and clients included`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(20)}${value}`);
  return [...lines, ...wrong, ...hung, ...leakedFiles].join('\n');
}

function listed(counts: ReadonlyMap<string, number>): string {
  const most = [...counts].toSorted(([, one], [, other]) => other - one);
  return most.map(([name, times]) => `${name} ${times}`).join(', ');
}
