/** The alerts that are shipped, read as what they are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const RULES_FILE = fileURLToPath(new URL('../../config/prometheus/alerts.rules.yaml', import.meta.url));

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  /** As in `5m`; undefined: fires at once. */
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RulesFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

/** Every rule of the file, in its order. */
export function alertRules(): readonly AlertRule[] {
  return rulesFile().groups.flatMap(({ rules }) => rules);
}

export function rulesFile(): RulesFile {
  const read: unknown = parse(readFileSync(RULES_FILE, 'utf8'));
  assert.ok(isRulesFile(read));
  return read;
}

/** As far as this file goes: promtool checks the rest. */
function isRulesFile(value: unknown): value is RulesFile {
  return typeof value === 'object' && value !== null && 'groups' in value && Array.isArray(value.groups);
}
