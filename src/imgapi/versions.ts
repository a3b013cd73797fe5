/**
 * `Accept-Version`: the server offers 1.0.0 and 2.0.0, the client names a range, the highest that satisfies it answers.
 * The ranges are those of npm's semver, which the real server asks; only what tells 1.0.0 from 2.0.0 matters here.
 */

/** The version of the API an answer is made for; 2 adds `channels` to manifests, nothing else. */
export type ApiVersion = 1 | 2;

/** Major, minor, patch; a prerelease sorts just below its release, hence the fourth: -1 for a prerelease, else 0. */
type Point = readonly [number, number, number, number];
type Test = (version: Point) => boolean;

/** npm's semver refuses longer versions too. */
const MAX_RANGE_LENGTH = 256;
const HIGHEST_FIRST: readonly ApiVersion[] = [2, 1];
const COMPARATOR =
  /^(~>?|\^|[<>]=?|=)?[v=]*(0|[1-9]\d*|[xX*])(?:\.(0|[1-9]\d*|[xX*])(?:\.(0|[1-9]\d*|[xX*])(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)?)?$/;

/**
 * The version that answers a request with this `Accept-Version` header. Absent means a client older than the header, so 1; undefined
 * means that neither version satisfies the range, or that it is no range at all (400 InvalidVersion).
 */
export function negotiateVersion(acceptVersion: string | undefined): ApiVersion | undefined {
  if (acceptVersion === undefined) return 1;
  if (acceptVersion.length > MAX_RANGE_LENGTH) return undefined;
  const alternatives = acceptVersion.split('||').map(parseAlternative);
  // One alternative that is no range spoils the whole, as in npm's semver.
  if (alternatives.includes(undefined)) return undefined;
  return HIGHEST_FIRST.find((major) => alternatives.some((tests) => tests?.every((test) => test([major, 0, 0, 0]))));
}

/** The comparators of one alternative, all of which must hold; undefined if one of them is junk. Nothing at all means any version. */
function parseAlternative(text: string): Test[] | undefined {
  const comparators = text
    .trim()
    .replace(/^(\S+)\s+-\s+(\S+)$/, '>=$1 <=$2')
    .replaceAll(/([~^<>=v])\s+/g, '$1')
    .split(/\s+/)
    .filter((comparator) => comparator !== '');
  const tests = comparators.map(parseComparator);
  return tests.every((test) => test !== undefined) ? tests : undefined;
}

function parseComparator(text: string): Test | undefined {
  const match = COMPARATOR.exec(text);
  if (match === null) return undefined;
  const [, operator = '=', ...parts] = match;
  const prerelease = parts[3] === undefined ? 0 : -1;
  const numbers = givenNumbers(parts.slice(0, 3));
  const [major = 0, minor = 0, patch = 0] = numbers;
  const isAny = numbers.length === 0;
  const low: Point = [major, minor, patch, prerelease];
  // Where the written digits end: 1.x at 2.0.0, 1.2 at 1.3.0, 1.2.3 just after itself.
  const high = [pointOf(Infinity), pointOf(major + 1), pointOf(major, minor + 1)][numbers.length] ?? [
    major,
    minor,
    patch,
    prerelease + 0.5,
  ];
  switch (operator) {
    case '<':
      return (version) => !isAny && compare(version, low) < 0;
    case '<=':
      return (version) => compare(version, high) < 0;
    case '>':
      return (version) => !isAny && compare(version, high) >= 0;
    case '>=':
      return (version) => compare(version, low) >= 0;
    case '^':
      // For ^0.x the end is lower still, but never above 1.0.0, which is all that matters to 1.0.0 and 2.0.0.
      return between(low, isAny ? high : pointOf(major + 1));
    case '~':
    case '~>':
      return between(low, numbers.length > 1 ? pointOf(major, minor + 1) : high);
    default:
      return between(low, high);
  }
}

/** The leading parts that are numbers: `1.x.3` says no more than `1`. */
function givenNumbers(parts: readonly (string | undefined)[]): number[] {
  const firstOpen = parts.findIndex((part) => part === undefined || /[xX*]/.test(part));
  return parts.slice(0, firstOpen === -1 ? parts.length : firstOpen).map(Number);
}

function pointOf(major: number, minor = 0): Point {
  return [major, minor, 0, 0];
}

function between(low: Point, high: Point): Test {
  return (version) => compare(version, low) >= 0 && compare(version, high) < 0;
}

function compare(a: Point, b: Point): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3];
}
