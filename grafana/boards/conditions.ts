/** What is wrong and what is not, where it takes more than one metric to tell. */
import { MIRROR, UPSTREAM, least, of, ofUpstreams } from './expressions.ts';

const UP = ofUpstreams('imgapi_mirror_upstream_up');
const AGE = ofUpstreams('imgapi_mirror_upstream_list_age_seconds');
const BREAKER = ofUpstreams('imgapi_mirror_upstream_breaker_open');

/** Three refreshes, but not less than a minute: one that failed is tried again soon. Sooner than the alert CatalogStale. */
const TOO_OLD = `clamp_min(3 * ${of('imgapi_mirror_catalog_refresh_interval_seconds')}, 60)`;

/**
 * Upstreams whose list was not confirmed for too long, or never. What `upstream_up` says of them does not matter, but offline,
 * where it is NaN, lists are meant to be old.
 */
const OLD = `(${UP} >= 0 unless on (${UPSTREAM}) (${AGE} <= on (${MIRROR}) group_left () ${TOO_OLD}))`;

/** By mirror: its upstreams that are down, or whose list is old, or with an open breaker; each counts once. A half-open one waits for a request. */
export const SICK_UPSTREAMS = [
  `count by (${MIRROR}) (`,
  `${UP} == 0 or on (${UPSTREAM}) ${OLD} or on (${UPSTREAM}) group by (${UPSTREAM}) (${BREAKER} == 1)`,
  `) or 0 * group by (${MIRROR}) (${UP})`,
].join('');

/** By upstream, of the mirror where it is worst: 0 if it is down, 0.5 if its list is old, 1 if all is well; NaN offline. */
export const LIST_STATES = `min by (upstream) (${UP} == 0 or on (${UPSTREAM}) 0.5 * group by (${UPSTREAM}) (${OLD}) or on (${UPSTREAM}) ${UP})`;

const MAX = of('imgapi_mirror_cache_max_bytes');
const USED = of('imgapi_mirror_cache_used_bytes');
const BELOW_LIMIT = `(${MAX} - ${USED} - ${of('imgapi_mirror_cache_reserved_bytes')})`;
const ABOVE_RESERVE = `(${of('imgapi_mirror_cache_free_bytes')} - ${of('imgapi_mirror_cache_min_free_bytes')})`;

/** By mirror: what is left until the nearer one of cache.maxBytes and cache.minFreeBytes. */
export const ROOM_LEFT = least(BELOW_LIMIT, ABOVE_RESERVE);

/** By mirror: 1 if it can serve, 0.5 if it cannot, 0 if it does not answer. */
export const MIRROR_STATES = `0.5 + (${of('imgapi_mirror_ready')} == 0) or ${of('up')}`;

/**
 * By mirror: how many of the two limits are nearer than eviction lets them come, as for the alert DiskNearLimit; NaN where the
 * disk does not tell. To a comparison that alone would be no.
 */
const LIMITS_NEAR = `${[BELOW_LIMIT, ABOVE_RESERVE]
  .map((left, at) => {
    const whole = at === 0 ? MAX : `(${left} + ${USED})`;
    return `(${left} < bool clamp_max(0.025 * ${whole}, 5 * 1024 ^ 3))`;
  })
  .join(' + ')} + 0 * (${ABOVE_RESERVE} + ${USED})`;

/** By mirror: that, but 3 where the cache directory cannot be written, or does not answer. */
export const DISK_STATES = `3 + (${of('imgapi_mirror_cache_writable')} == 0) or ${LIMITS_NEAR}`;
