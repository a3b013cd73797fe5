/** What the boards must show of the scripted day: by panel, each line by the legend that Grafana gives it. */
import type { ShownByBoard } from './scripted-day-lines.ts';

const MIRRORS = ['big', 'small', 'full'];
const UPSTREAMS = ['sound', 'near', 'failing'];
const REST = ['*'];
const QUICK_ROUTES = 'ping images image icon channels metrics health ready setup page api events none'.split(' ');

function each(names: readonly string[], ...legends: readonly string[]): string[] {
  return names.flatMap((name) => legends.map((legend) => `${name} ${legend}`));
}

const OVERVIEW: ShownByBoard[string] = {
  Up: { moves: MIRRORS },
  'WAN saved': { moves: ['saved'] },
  'WAN bytes saved': { moves: ['saved'] },
  'Answered with an error': {
    moves: ['big'],
    still: { 'nobody who waits for them is told of an error': ['small', 'full'] },
  },
  'Upstreams in trouble': { moves: ['big'], still: { 'their upstream is well': ['small', 'full'] } },
  'Oldest list': { moves: MIRRORS },
  Disk: {
    moves: ['full'],
    still: { 'it has room': ['big'] },
    either: { 'it may be full while a file comes': ['small'] },
  },
  'Room left': { moves: MIRRORS },
  'Room left over time': { moves: MIRRORS },
  'Found no room': { moves: ['small', 'full'], still: { 'it has room': ['big'] } },
  'Evicted for room': {
    moves: ['small'],
    still: { 'they evict nothing, or nothing that is not pinned': ['big', 'full'] },
  },
  'Wrong bytes': { moves: ['big'], still: { 'they are sent no wrong bytes': ['small', 'full'] } },
  'Rotted files': { moves: ['big'], still: { 'nobody touches what they have': ['small', 'full'] } },
  'Images in conflict': { moves: ['big'], still: { 'their upstream changes nothing': ['small', 'full'] } },
  'Throughput, LAN and WAN': { moves: ['LAN: files to clients', 'WAN: from upstreams'] },
  'Hit ratio of files': { moves: ['by bytes', 'by requests'] },
  'WAN by cause': { moves: ['demand', 'prefetch', 'revalidation', 'resume'] },
  'WAN by upstream': { moves: UPSTREAMS },
  'First byte of files, median': { moves: ['hit', 'miss', 'join', 'pass'] },
  'First byte of files, slowest 5 %': { moves: ['hit', 'miss', 'join', 'pass'] },
  'Running downloads and followers': { moves: ['downloads', 'followers'] },
  'Requests by route': {
    moves: [...QUICK_ROUTES, 'file'],
  },
  'Requests by answer': {
    moves: ['2xx', '3xx', '4xx', '5xx', 'broken'],
    still: { 'nobody leaves before the answer': ['none'], 'nobody is refused': ['refused'] },
  },
  'Sent by route': {
    moves: [...QUICK_ROUTES, 'file'],
  },
  'Where answers came from': {
    moves: [
      ...each(['file'], 'hit', 'miss', 'join', 'pass'),
      ...each(['list'], 'hit', 'stale'),
      ...each(['manifest'], 'hit', 'negative'),
      ...each(['icon'], 'hit', 'miss'),
    ],
    still: { 'one client at a time asks for lists, manifests and icons, and for files only of listed images': REST },
  },
  'Failed requests': { moves: ['file'], still: { 'all else is known without the upstream that fails': REST } },
  'Broken off and refused': {
    moves: ['broken off: file'],
    still: {
      'all clients are allowed, and none asks for much at a time': [
        'refused: not_allowed',
        'refused: too_many_responses',
      ],
      'nobody leaves before the end of anything else': REST,
    },
  },
  'Failed requests to upstreams': { moves: ['sound', 'failing'], still: { 'nothing is wrong with it': ['near'] } },
};

const UPSTREAM_BOARD: ShownByBoard[string] = {
  Lists: { moves: UPSTREAMS },
  'Held back': { moves: ['sound'], still: { 'their lists come whole, or not at all': ['failing', 'near'] } },
  Breakers: {
    moves: each(['failing'], 'list', 'file'),
    still: { 'they do not fail three times in a row': ['sound list', ...each(['near'], 'list', 'file')] },
    either: { 'it is closed again before it is scraped, or not': ['sound file'] },
  },
  'Age of its list': { moves: UPSTREAMS },
  Throughput: {
    moves: [...each(UPSTREAMS, 'file', 'list'), 'sound icon'],
    still: { 'only one image has an icon, and nothing else has a body that is read': REST },
  },
  'Bandwidth limit in force': {
    moves: ['big sound limit', 'big sound files', 'big failing files', 'small near files', 'full near files'],
  },
  ...Object.fromEntries(
    ['Time to an answer, median', 'Time to an answer, slowest 5 %'].map((title) => [
      title,
      {
        moves: [...each(UPSTREAMS, 'file', 'list', 'channels'), 'near manifest', 'sound icon'],
        still: { 'nobody asks for what would make the mirror ask it': REST },
      },
    ]),
  ),
  'Transfers held back': { moves: ['sound'], still: { 'they have no limit': ['near', 'failing'] } },
  'Requests by result': {
    moves: [...each(UPSTREAMS, '2xx', '4xx'), 'failing 5xx', 'sound timeout'],
    still: { 'none of them goes wrong in these ways': REST },
  },
  'Failures by kind': { moves: ['sound file timeout', ...each(['failing'], 'list 5xx', 'channels 5xx', 'file 5xx')] },
  'Stalls and failovers': {
    moves: each(['sound'], 'stalls', 'failovers'),
    still: {
      'nothing of theirs stalls, and no other has what they have': each(['near', 'failing'], 'stalls', 'failovers'),
    },
  },
  'Breakers that open and close': {
    moves: [...each(['failing'], 'list open', 'file open'), ...each(['sound'], 'file open', 'file closed')],
    still: { 'it stays as it is, and the others do not fail three times in a row': REST },
  },
  'Images listed': { moves: UPSTREAMS },
  'Refreshes by result': {
    moves: [...each(UPSTREAMS, 'ok'), 'sound held', 'failing failed'],
    still: { 'nothing is wrong with their lists': REST },
  },
  'Bad entries': { moves: ['sound'], still: { 'all their entries are good': ['near', 'failing'] } },
  'Refused look-ups': { moves: [], still: { 'it takes more than 200 unknown uuids at once': UPSTREAMS } },
};

const STORAGE: ShownByBoard[string] = {
  'Used of cache.maxBytes': { moves: ['small'] },
  'Stored bytes': { moves: MIRRORS },
  'Stored files': { moves: MIRRORS },
  'Quarantined files': { moves: ['big'], still: { 'they are sent no wrong bytes': ['small', 'full'] } },
  'Images in conflict': { moves: ['big'], still: { 'their upstream changes nothing': ['small', 'full'] } },
  'Since all was prefetched': { moves: ['big'] },
  'Cache directory': { moves: MIRRORS },
  'Cache and its limit': { moves: [...each(MIRRORS, 'used'), 'small limit'] },
  'Disk and its reserve': {
    moves: [...each(MIRRORS, 'free'), 'full kept free'],
    still: { 'cache.minFreeBytes is 0': each(['big', 'small'], 'kept free') },
  },
  'What is not a stored file': {
    moves: each(['big'], 'promised', 'unfinished', 'quarantined'),
    still: { 'they are sent no wrong bytes': each(['small', 'full'], 'quarantined') },
    either: { 'their downloads may lie between two scrapes': each(['small', 'full'], 'promised', 'unfinished') },
  },
  ...Object.fromEntries(
    ['Evicted bytes by reason', 'Evictions by reason'].map((title) => [
      title,
      {
        moves: ['demand', 'operator'],
        still: { 'nothing gets old, and quarantines are not full': ['age', 'surplus'] },
        either: { 'a download may be there before the upkeep': ['ahead'] },
      },
    ]),
  ),
  'Downloads by result': {
    moves: ['stored', 'disk', 'mismatch', 'failed'],
    still: {
      'nobody stops the mirror, and upstreams have what they list': REST,
    },
  },
  'How long downloads take': { moves: ['median', 'slowest 5 %'] },
  'Passed through': {
    moves: ['right'],
    still: {
      'their upstream is well, and has what it lists': ['failed', 'absent'],
      'nobody leaves before the end': ['aborted'],
    },
    either: { 'a slow machine may part clients': ['alone'] },
  },
  'Passed through now': {
    moves: [],
    still: { 'it has room': ['big'] },
    either: { 'they may lie between two scrapes': ['small', 'full'] },
  },
  'Resumed transfers': { moves: ['range', 'skip', 'partial'] },
  'Bytes not fetched again': { moves: ['range', 'skip', 'partial'] },
  'Prefetches failing': { moves: [], still: { 'none is in its configuration': ['big', 'small', 'full'] } },
  'Hours too short': { moves: [], still: { 'none is in its configuration': ['big', 'small', 'full'] } },
  'Prefetched images': { moves: ['fetched', 'already'], still: { 'its upstream has all of it': ['failed'] } },
  'Prefetches that are over': { moves: ['ok'], still: { 'nothing stops or breaks them': ['failed', 'stopped'] } },
  'Wrong on arrival': { moves: ['sha1', 'size', 'md5'] },
  'Rotted on disk': { moves: ['big'], still: { 'nobody touches what they have': ['small', 'full'] } },
  'Since all was found right': { moves: [...MIRRORS, ...each(MIRRORS, 'every')] },
  'Accepted changes': { moves: ['big'], still: { 'there is nothing to accept': ['small', 'full'] } },
  'Since the cache was looked over': { moves: MIRRORS },
  'Checks on arrival': { moves: ['right', 'sha1', 'size', 'md5'] },
  Scrub: {
    moves: ['right', 'rotted', 'fetched anew: stored'],
    still: { 'the one that rotted can be read, and its upstream has it': REST },
  },
  'Scrub now': { moves: [], either: { 'it takes less time than lies between two scrapes': MIRRORS } },
  'Not fetched anew': { moves: [], still: { 'what has rotted is fetched anew': MIRRORS } },
  'Scrub throughput': { moves: ['big'], still: { 'it is not their turn in 30 days': ['small', 'full'] } },
};

const PROCESS: ShownByBoard[string] = {
  Version: { moves: ['{{instance}}: {{version}}, Node {{node}}'] },
  'Up since': { moves: MIRRORS },
  'Configuration loaded': { moves: MIRRORS },
  'Last reload': { moves: MIRRORS },
  'Certificate runs out in': { moves: ['small'] },
  Memory: { moves: each(MIRRORS, 'resident', 'heap', 'external') },
  CPU: { moves: each(MIRRORS, 'user', 'system') },
  'Handles and file descriptors': {
    moves: [...each(MIRRORS, 'TCPServerWrap', 'descriptors', 'most descriptors')],
    either: { 'what happens to be open at a scrape': ['{{instance}} {{type}}'] },
  },
  'Event loop lag': { moves: each(MIRRORS, 'median', 'slowest 1 %') },
  'Garbage collection': {
    moves: [],
    either: { 'when memory is collected is for V8 to say': ['{{instance}} {{kind}}'] },
  },
  'Requests, slowest 5 %': {
    moves: QUICK_ROUTES.filter((route) => route !== 'api' && route !== 'events'),
  },
  'Reloads of the configuration': {
    moves: ['big ok'],
    still: { 'only one is told to, and nothing is wrong with what it reads': REST },
  },
  'Images and remembered absences': {
    moves: [...each(MIRRORS, 'images'), 'small absences'],
    still: { 'nobody asks them for what they do not know': each(['big', 'full'], 'absences') },
  },
};

export const SHOWN: ShownByBoard = {
  'overview.json': OVERVIEW,
  'upstreams.json': UPSTREAM_BOARD,
  'storage.json': STORAGE,
  'process.json': PROCESS,
};
