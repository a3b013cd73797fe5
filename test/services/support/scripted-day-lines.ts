/** The lines that the panels of the boards have drawn in a day, held against what they should have been. */

/** One line of a panel. */
export interface Line {
  /** Its file's name. */
  readonly board: string;
  readonly panel: string;
  /** The legend as the board has it, such as `{{upstream}} {{kind}}`. */
  readonly template: string;
  /** The same with the labels' values. */
  readonly legend: string;
  /** The most it was at any time of the day, its sign left out; NaN: it never was a number. */
  readonly most: number;
}

/** What is expected of a panel. */
export interface Shown {
  /** Lines that must be there and be more than zero. A template stands for all lines of it, of which there must be one. */
  readonly moves: readonly string[];
  /** Lines that stay at zero, or are no number, by the reason why that is right. `*`: all others. */
  readonly still?: Readonly<Record<string, readonly string[]>>;
  /** Lines that may be either, by the reason why nobody can tell. */
  readonly either?: Readonly<Record<string, readonly string[]>>;
}

/** By the board's file and the panel's title. */
export type ShownByBoard = Readonly<Record<string, Readonly<Record<string, Shown>>>>;

/** What is wrong: lines that should have moved, or not, or are missing, or that nobody has thought of. */
export function judgeLines(shownBy: ShownByBoard, lines: readonly Line[]): string[] {
  const panels = Map.groupBy(lines, ({ board, panel }) => `${board}: ${panel}`);
  const shown = new Map<string, Shown>(
    Object.entries(shownBy).flatMap(([board, byTitle]) =>
      Object.entries(byTitle).map(([title, ofPanel]) => [`${board}: ${title}`, ofPanel] as const),
    ),
  );
  const absent = [...shown.keys()].filter((name) => !panels.has(name));
  return [
    ...absent.map((name) => `${name}: there is no such panel that shows anything`),
    ...[...panels].flatMap(([name, ofPanel]) => {
      const expected = shown.get(name);
      return expected === undefined ? [`${name}: nothing is said of this panel`] : judgePanel(name, expected, ofPanel);
    }),
  ];
}

function judgePanel(name: string, { moves, still = {}, either = {} }: Shown, lines: readonly Line[]): string[] {
  const stays = Object.values(still).flat();
  const open = Object.values(either).flat();
  const legends = new Set(lines.flatMap(({ legend, template }) => [legend, template]));
  const missing = [...moves, ...stays, ...open].filter((legend) => legend !== '*' && !legends.has(legend));
  const wrong = lines.flatMap(({ legend, template, most }) => {
    const isAmong = (list: readonly string[]): boolean => list.includes(legend) || list.includes(template);
    const hasMoved = most > 0;
    if (isAmong(moves)) return hasMoved ? [] : [`${name}: ${legend} should have moved, and was ${most}`];
    if (isAmong(open)) return [];
    if (!isAmong(stays) && !stays.includes('*')) return [`${name}: nothing is said of ${legend}, which was ${most}`];
    return hasMoved ? [`${name}: ${legend} should be zero, and was ${most}`] : [];
  });
  return [...missing.map((legend) => `${name}: there is no ${legend}`), ...wrong];
}
