/**
 * One look-up at all upstreams: who is asked, for whom it is worth waiting, and what their answers come to. Three-valued:
 * found, absent (every upstream said so), unknown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../config/log.ts';
import { isLoop } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest } from '../imgapi/manifest.ts';
import type { UpstreamHealth } from '../upstream/health.ts';
import type { Urgency } from '../upstream/urgency.ts';
import type { Feed } from './feed.ts';
import type { LookupBudget } from './lookup-budget.ts';
import type { CatalogEntry } from './merge.ts';
import { createEntry } from './snapshot.ts';

export type LookupAnswer =
  | { readonly kind: 'found'; readonly entry: CatalogEntry }
  | { readonly kind: 'absent' }
  | UnknownAnswer;

export interface UnknownAnswer {
  readonly kind: 'unknown';
  readonly why: string;
  /** Nobody could tell but for loops: it is no trouble that passes. */
  readonly isLoop?: boolean;
  /** An upstream was not even asked, because too many such questions come. */
  readonly isRefused?: boolean;
}

export interface Question {
  readonly uuid: ImageUuid;
  readonly channel: string | undefined;
  readonly requestId: string;
  readonly urgency: Urgency;
  /** True: a known image names it; no budget is touched. */
  readonly isKnownOrigin: boolean;
}

export interface AskUpstreamsDeps {
  /** In precedence order. */
  readonly feeds: () => readonly Feed[];
  readonly healthOf: (upstream: string) => Pick<UpstreamHealth, 'isTripped' | 'isProbeDue' | 'report'>;
  readonly budget: LookupBudget;
  /** Whether a kept manifest names it; asked only where the budget is used up. */
  readonly isKeptOrigin: (uuid: ImageUuid) => Promise<boolean>;
  /** The budget of this upstream was used up. */
  readonly onRefused: (upstream: string) => void;
  readonly log: Log;
}

/** Never rejects. The signal ends all questions. */
export type AskUpstreams = (question: Question, signal: AbortSignal) => Promise<LookupAnswer>;

/** `precedenceWaitMs`: the highest in precedence among those that answer within this wins. */
export function createAskUpstreams(
  deps: AskUpstreamsDeps,
  { precedenceWaitMs }: { readonly precedenceWaitMs: number },
): AskUpstreams {
  const isSick = ({ upstream }: Feed): boolean => deps.healthOf(upstream.name).isTripped('list');

  /**
   * All healthy upstreams are asked at once. A found answer wins as soon as every healthy upstream before it has said no,
   * or after `precedenceWaitMs`; an unknown never hides a found. The sick ones are asked if nobody else has found it, and
   * have as long again to answer: then they are unknown, so that one of them keeps nobody waiting.
   */
  return async (question, signal) => {
    const enough = new AbortController();
    const untilEnough = AbortSignal.any([signal, enough.signal]);
    const places = deps
      .feeds()
      .map((feed) => ({ feed, isSick: isSick(feed), answer: undefined as LookupAnswer | undefined }));
    type Place = (typeof places)[number];
    const anyFound = Promise.withResolvers<void>();
    const decided = Promise.withResolvers<void>();

    async function ask(place: Place, end: AbortSignal): Promise<void> {
      place.answer = await askOne(question, place.feed, end);
      if (place.answer.kind === 'found') anyFound.resolve();
      // Decided once nobody who is still to answer comes before a found one.
      const first = places.find(({ answer, isSick: isLast }) =>
        answer === undefined ? !isLast : answer.kind === 'found',
      );
      if (first?.answer?.kind === 'found') decided.resolve();
    }
    const best = (): LookupAnswer | undefined => places.find(({ answer }) => answer?.kind === 'found')?.answer;
    const wait = async (): Promise<'late'> => sleep(precedenceWaitMs, 'late', { signal: enough.signal, ref: false });
    /** So slow that others had to answer for them is as good as down. */
    const tooSlow = (late: readonly Place[]): void => {
      for (const { feed, answer } of late)
        if (answer === undefined) deps.healthOf(feed.upstream.name).report('list', 'failed');
    };

    const healthy = places.filter((place) => !place.isSick);
    const sick = places.filter((place) => place.isSick);
    // Worth a try after their cool-down. Their outcome is of use also when others have answered: not ended with them.
    const probed = new Map(
      sick
        .filter(({ feed }) => deps.healthOf(feed.upstream.name).isProbeDue('list'))
        .map((place) => [place, ask(place, signal)]),
    );
    const firstAsked = Promise.all(healthy.map(async (place) => ask(place, untilEnough)));
    try {
      const first = await Promise.race([firstAsked, decided.promise, wait()]);
      if (best() === undefined) {
        const lastAsked = Promise.all(sick.map(async (place) => probed.get(place) ?? ask(place, untilEnough)));
        const all = Promise.all([firstAsked, lastAsked]);
        // Nothing found in time: then the first that finds it wins, and only all of them can say that it is absent.
        const patience = healthy.length === 0 ? [] : [firstAsked.then(wait)];
        const last = await Promise.race([all, anyFound.promise, ...patience]);
        if (last === 'late') tooSlow(sick);
      } else if (first === 'late') {
        tooSlow(healthy);
      }
    } finally {
      enough.abort();
    }
    return best() ?? summary(places);
  };

  async function askOne(question: Question, feed: Feed, signal: AbortSignal): Promise<LookupAnswer> {
    const { uuid, requestId, urgency } = question;
    const target = feed.channelFor(question.channel);
    if (target.kind === 'absent') return { kind: 'absent' };
    const { name } = feed.upstream;
    try {
      if (!question.isKnownOrigin && !deps.budget.take(name) && !(await deps.isKeptOrigin(uuid))) {
        deps.onRefused(name);
        const why = `upstream ${name}: too many images that no list has are asked for, try later`;
        return { kind: 'unknown', why, isRefused: true };
      }
      const answer = await feed.upstream.manifest({ uuid, channel: target.channel, requestId, urgency, signal });
      if (answer.kind === 'absent') return answer;
      const parsed = parseManifest(answer.json, { requirePublished: false });
      if (parsed.ok) return { kind: 'found', entry: createEntry(parsed.manifest, name) };
      deps.log.warn({ upstream: name, uuid, problem: parsed.problem }, 'bad manifest refused');
      return { kind: 'unknown', why: `upstream ${name}: its manifest is unsound: ${parsed.problem}` };
    } catch (error) {
      return { kind: 'unknown', why: error instanceof Error ? error.message : String(error), isLoop: isLoop(error) };
    }
  }
}

function summary(places: readonly { readonly feed: Feed; readonly answer: LookupAnswer | undefined }[]): LookupAnswer {
  const reasons = places.flatMap(({ feed, answer }) => {
    if (answer === undefined) return [`upstream ${feed.upstream.name}: has failed lately and does not answer now`];
    return answer.kind === 'unknown' ? [answer.why] : [];
  });
  if (reasons.length === 0) return { kind: 'absent' };
  const isLooped = places.every(
    ({ answer }) => answer?.kind === 'absent' || (answer?.kind === 'unknown' && answer.isLoop),
  );
  const isRefused = places.every(
    ({ answer }) => answer?.kind === 'absent' || (answer?.kind === 'unknown' && answer.isRefused === true),
  );
  return { kind: 'unknown', why: reasons.join('; '), isLoop: isLooped, isRefused };
}
