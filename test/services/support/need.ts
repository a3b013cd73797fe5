/** What these tests need of the machine. In CI its absence is a failure, so that nothing is left out unnoticed; elsewhere a reason to skip. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

export interface Needs {
  /** Programs on the PATH, each with the Debian package that has it. */
  readonly tools: Readonly<Record<string, string>>;
  readonly root?: boolean;
}

/** True if all is there. Else the test is skipped with the reason, or, with CI=true in the environment, this throws it. */
export function hasNeeds(t: TestContext, { tools, root = false }: Needs): boolean {
  const missing = Object.entries(tools)
    .filter(([tool]) => !isOnPath(tool))
    .map(([tool, debianPackage]) => `${tool} (Debian package ${debianPackage})`);
  if (root && process.getuid?.() !== 0) missing.push('root');
  if (missing.length === 0) return true;
  const reason = `this test needs ${missing.join(', ')}`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  t.skip(reason);
  return false;
}

function isOnPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, tool), constants.X_OK);
      return true;
    } catch {
      // Not in this directory; there are others.
      return false;
    }
  });
}
