/** The doctor before servers that are well, and before every kind of sick one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { createServer as createTcp, type Server } from 'node:net';
import { test, type TestContext } from 'node:test';
import { checkAsClient, type AsClientOptions } from '../../src/doctor/as-client.ts';
import type { CheckName, Finding, Verdict } from '../../src/doctor/finding.ts';
import { LIMITS } from '../../src/doctor/subject.ts';
import { startImageServer, type Behaviour, type ImageServer, type Route } from '../support/image-server.ts';
import { makeCatalog, makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { tlsPair } from '../support/tls.ts';

const small = makeImage({ name: 'small', size: 1_000, publishedAt: '2020-01-01T00:00:00Z' });
const large = makeImage({ name: 'large', size: 400_000, publishedAt: '2021-01-01T00:00:00Z' });

async function examine(url: string, options: Partial<AsClientOptions> = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  await checkAsClient((finding) => findings.push(finding), {
    url,
    tlsName: undefined,
    userAgent: 'test/1 doctor',
    nowMs: Date.now(),
    ...options,
  });
  return findings;
}

const itWorks: RequestListener = (_request, response) => response.end('<h1>It works!</h1>');

/** `ok ping`, `problem list`, ... */
function headsOf(findings: readonly Finding[]): string[] {
  return findings.map(({ verdict, check }) => `${verdict} ${check}`);
}

function only(findings: readonly Finding[], verdict: Verdict): Finding[] {
  return findings.filter((finding) => finding.verdict === verdict);
}

async function imageServer(t: TestContext, route?: Route, behaviour: Behaviour = {}): Promise<ImageServer> {
  const server = await startImageServer({
    images: [large, small],
    behave: (request) => (request.route === route && request.method === 'GET' ? behaviour : undefined),
  });
  t.after(() => server.close());
  return server;
}

/** Whatever it is, on a port of its own; resolves with that. */
async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('a mirror that is well gets ok for everything, down to the last byte of its smallest file', async (t) => {
  const upstream = await imageServer(t);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await rawRequest({ port: mirror.port, path: `/images/${small.uuid}/file` });
  const findings = await examine(mirror.url);
  assert.deepEqual(headsOf(findings), ['ok ping', 'ok list', 'ok manifest', 'ok file']);
  assert.match(findings[0]?.found ?? '', /answers in \d+ ms: imgapi-mirror\//);
  assert.match(findings[1]?.found ?? '', /^2 images, .* their files have 391\.6KiB$/);
  assert.match(findings[3]?.found ?? '', new RegExp(`^${small.uuid}: 1000B .*; length, MD5 and SHA-1 are right$`));
});

test('a file that the mirror has already is fetched rather than a smaller one it has not', async (t) => {
  const upstream = await imageServer(t);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await rawRequest({ port: mirror.port, path: `/images/${large.uuid}/file` });
  const findings = await examine(mirror.url);
  assert.match(findings.at(-1)?.found ?? '', new RegExp(`^${large.uuid}: .*X-Cache HIT`));
  assert.equal(upstream.countOf('file'), 1);
});

test('a mirror that has stored nothing is not made to, whether it can be asked what it has or hides that behind a proxy', async (t) => {
  const upstream = await imageServer(t);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const onlyImages: RequestListener = (request, response) => {
    const { url = '', method = 'GET' } = request;
    if (url.startsWith('/_mirror')) {
      response.writeHead(404).end();
      return;
    }
    const ask = { port: mirror.port, path: url, method, headers: { 'accept-version': '~2' } };
    void (async () => {
      const { status, headers, body } = await rawRequest(ask);
      const bare = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'connection'));
      response.writeHead(status, bare).end(body);
    })();
  };
  const proxied = await listening(t, createHttp(onlyImages));
  for (const url of [mirror.url, `http://127.0.0.1:${proxied}`]) {
    const findings = await examine(url);
    assert.deepEqual(headsOf(findings), ['ok ping', 'ok list', 'warning file', 'ok manifest'], url);
    assert.match(findings[2]?.todo ?? '', new RegExp(`imgapi-mirror prefetch ${small.uuid}`));
  }
  assert.equal(upstream.countOf('file'), 0);
  // Looking is no traffic of files.
  for (const result of ['hit', 'miss']) {
    assert.equal(await mirror.metric(`imgapi_mirror_cache_results_total{kind="file",result="${result}"}`), 0);
  }
  await rawRequest({ port: mirror.port, path: `/images/${small.uuid}/file` });
  const found = (await examine(`http://127.0.0.1:${proxied}`)).at(-1);
  assert.match(found?.found ?? '', new RegExp(`^${small.uuid}: .*X-Cache HIT`));
});

test('the server behind images.smartos.org is well too, though it does not know HEAD', async (t) => {
  const server = await imageServer(t);
  assert.deepEqual(headsOf(await examine(`${server.url}/`)), ['ok ping', 'ok list', 'ok manifest', 'ok file']);
});

test('a list of more than a page is asked on', async (t) => {
  const images = makeCatalog(1_005, { oddities: false });
  const server = await startImageServer({ images });
  t.after(() => server.close());
  const listed = await examine(server.url);
  assert.deepEqual(headsOf(listed), ['ok ping', 'ok list', 'ok list', 'ok manifest', 'ok file']);
  server.behave = ({ url }) => (url.includes('marker') ? { status: 404 } : undefined);
  const [lost] = only(await examine(server.url), 'problem');
  assert.match(lost?.found ?? '', /^the page after \S+: HTTP status 404/);
});

/** What is sick, how it shows, and in which check. After it nothing else is a problem. */
const SICK: readonly (readonly [what: string, Route, Behaviour, Verdict, CheckName, RegExp])[] = [
  ['ping redirects', 'ping', { redirectTo: 'http://elsewhere/' }, 'problem', 'ping', /status 302; imgadm follows no/],
  ['ping fails', 'ping', { status: 503 }, 'problem', 'ping', /HTTP status 503, ServiceUnavailableError/],
  ['ping is refused', 'ping', { status: 403 }, 'problem', 'ping', /HTTP status 403/],
  ['ping is no IMGAPI', 'ping', { status: 200, body: { ping: 'pong' } }, 'problem', 'ping', /without "imgapi": true/],
  ['ping is null', 'ping', { status: 200, body: 'null' }, 'problem', 'ping', /without "imgapi": true/],
  [
    'ping has no ids',
    'ping',
    { headers: { Server: undefined, 'x-request-id': 'x' } },
    'warning',
    'ping',
    /absent, x-req/,
  ],
  ['list fails', 'list', { status: 503 }, 'problem', 'list', /HTTP status 503, ServiceUnavailableError: as asked/],
  ['list is HTML', 'list', { listMode: 'not-json' }, 'problem', 'list', /not JSON: "<html><body>Please sign in/],
  ['list is half', 'list', { listMode: 'truncated' }, 'problem', 'list', /not JSON: "\[/],
  ['list is cut', 'list', { listMode: 'cut' }, 'problem', 'list', /broke off/],
  ['list is an object', 'list', { listMode: 'object' }, 'problem', 'list', /no array/],
  ['list never ends', 'list', { listMode: 'endless' }, 'problem', 'list', /more than 100000 bytes/],
  ['list is empty', 'list', { listMode: 'empty' }, 'warning', 'list', /the list is empty/],
  [
    'list holds null',
    'list',
    { extraEntries: [null] },
    'problem',
    'list',
    /1 entry that imgadm fails on.*not an object/,
  ],
  ['list holds one twice', 'list', { extraEntries: [large.manifest] }, 'warning', 'list', /1 image listed twice/],
  [
    'list is out of order',
    'list',
    { extraEntries: [makeImage({ publishedAt: '2019-01-01' }).manifest] },
    'warning',
    'list',
    /not in the order/,
  ],
  [
    'list is compressed',
    'list',
    { headers: { 'Content-Encoding': 'gzip' } },
    'problem',
    'list',
    /compressed .*nobody asked/,
  ],
  ['list has an MD5', 'list', { headers: { 'Content-MD5': 'x' } }, 'problem', 'list', /has a Content-MD5/],
  ['list is no JSON type', 'list', { headers: { 'Content-Type': 'text/html' } }, 'warning', 'list', /is text\/html/],
  ['manifest is gone', 'manifest', { status: 404 }, 'problem', 'manifest', /HTTP status 404, ResourceNotFound/],
  ['manifest is half', 'manifest', { status: 200, body: '{"uuid"' }, 'problem', 'manifest', /not JSON/],
  [
    'manifest is another',
    'manifest',
    { status: 200, body: large.manifest },
    'problem',
    'manifest',
    /asked for, .* came/,
  ],
  [
    'manifest has no files',
    'manifest',
    { status: 200, body: { uuid: small.uuid } },
    'problem',
    'manifest',
    /published_at/,
  ],
  ['Etag is another', 'manifest', { headers: { Etag: '"x"' } }, 'warning', 'manifest', /Etag is x, not the SHA-1/],
  ['file redirects', 'file', { redirectTo: 'http://elsewhere/' }, 'problem', 'file', /HTTP status 302/],
  ['file fails', 'file', { status: 503 }, 'problem', 'file', /HTTP status 503, ServiceUnavailableError: as asked/],
  ['MD5 is wrong', 'file', { contentMd5: 'wrong' }, 'problem', 'file', /^Content-MD5 is .*, the bytes have/],
  ['MD5 is missing', 'file', { contentMd5: 'none' }, 'warning', 'file', /^no Content-MD5/],
  ['file is chunked', 'file', { contentLength: 'none' }, 'problem', 'file', /^no Content-Length/],
  [
    'length is wrong',
    'file',
    { contentLength: 999 },
    'problem',
    'file',
    /^Content-Length is 999, the manifest says 1000/,
  ],
  ['file is cut', 'file', { cutAfterBytes: 500 }, 'problem', 'file', /^500 of 1000 bytes came: /],
  ['file is compressed', 'file', { headers: { 'Content-Encoding': 'gzip' } }, 'problem', 'file', /came compressed/],
];

for (const [what, route, behaviour, verdict, check, found] of SICK) {
  test(`${what}: that is what it says, and what to do`, async (t) => {
    const server = await imageServer(t, route, behaviour);
    const findings = await examine(server.url, { limits: { ...LIMITS, listBytes: 100_000 } });
    const bad = findings.filter((finding) => finding.verdict !== 'ok');
    assert.deepEqual(headsOf(bad), [`${verdict} ${check}`], JSON.stringify(findings));
    assert.match(bad[0]?.found ?? '', found);
    assert.match(bad[0]?.todo ?? '', /\w{3}/);
  });
}

test('bytes that are not those of the manifest are a problem of both digests', async (t) => {
  const server = await imageServer(t, 'file', { corruptAtByte: 10 });
  const [md5, sha1, ...more] = only(await examine(server.url), 'problem');
  assert.deepEqual(more, []);
  assert.match(md5?.found ?? '', /^Content-MD5 is/);
  assert.match(sha1?.found ?? '', /^the SHA-1 is [0-9a-f]{40}, the manifest says [0-9a-f]{40}$/);
});

test('where every file is large, none is fetched, and that is said', async (t) => {
  const server = await imageServer(t);
  const findings = await examine(server.url, { limits: { ...LIMITS, fileBytes: 100 } });
  assert.match(only(findings, 'warning')[0]?.found ?? '', /^the smallest file has 1000B: none was fetched/);
  assert.equal(server.countOf('file'), 0);
});

test('a server that hangs, in whatever it does, does not hang the doctor', async (t) => {
  const limits = { ...LIMITS, smallMs: 300, listMs: 300, fileMs: 300 };
  for (const route of ['ping', 'list', 'manifest', 'file'] as const) {
    const server = await imageServer(t, route, { hangHeaders: true });
    const [hung, ...more] = only(await examine(server.url, { limits }), 'problem');
    assert.deepEqual(more, []);
    assert.deepEqual([hung?.check, hung?.found.includes('no end within 0.3 s')], [route, true]);
  }
  const stalled = await imageServer(t, 'file', { stallAfterBytes: 100 });
  assert.match(
    only(await examine(stalled.url, { limits }), 'problem')[0]?.found ?? '',
    /^100 of 1000 bytes came: no end/,
  );
});

test('a web server that is no mirror, a port of something else, and one of nobody are told apart', async (t) => {
  const web = await examine(`http://127.0.0.1:${await listening(t, createHttp(itWorks))}`);
  assert.deepEqual(headsOf(web), ['problem ping']);
  assert.match(web[0]?.found ?? '', /200, but its body is not JSON: "<h1>It works!<\/h1>"$/);
  assert.match(web[0]?.todo ?? '', /no image server/);

  const greeter = createTcp((socket) => socket.on('error', () => {}).end('SSH-2.0-OpenSSH_9.6\r\n'));
  const ssh = await examine(`http://127.0.0.1:${await listening(t, greeter)}`);
  assert.deepEqual(headsOf(ssh), ['problem ping']);

  const closing = createTcp();
  const port = await listening(t, closing);
  closing.close();
  await once(closing, 'close');
  const nobody = await examine(`http://127.0.0.1:${port}`);
  assert.deepEqual(headsOf(nobody), ['problem ping']);
  assert.match(nobody[0]?.found ?? '', /nothing listens there \(ECONNREFUSED\)/);
  assert.match((await examine('http://no-such-name.invalid'))[0]?.found ?? '', /its name is not known here/);
});

test('https asked of a plain server, and http of a secure one', async (t) => {
  const plain = await imageServer(t);
  const findings = await examine(plain.url.replace('http', 'https'));
  assert.deepEqual(headsOf(findings), ['problem tls', 'problem ping']);
  assert.match(findings[1]?.found ?? '', /does not speak TLS on this port/);
  const secure = await startImageServer({ tls: tlsPair('rsa') });
  t.after(() => secure.close());
  assert.deepEqual(headsOf(await examine(secure.url.replace('https', 'http'))), ['problem ping']);
});

/** Speaks TLS so, and is no image server. */
async function secureServer(t: TestContext, options: ServerOptions): Promise<string> {
  const server = createHttps(options, (_request, response) => response.end('{}'));
  return `https://127.0.0.1:${await listening(t, server)}`;
}

const tlsOf = (findings: readonly Finding[]): Finding[] => findings.filter(({ check }) => check === 'tls');

test('RSA and P-256 certificates do for SmartOS; that nobody vouches for them is said', async (t) => {
  for (const pair of ['rsa', 'ec'] as const) {
    const server = await startImageServer({ images: [small], tls: tlsPair(pair) });
    t.after(() => server.close());
    const findings = await examine(server.url, { tlsName: 'localhost' });
    assert.deepEqual(headsOf(findings), ['warning tls', 'ok tls', 'ok ping', 'ok list', 'ok manifest', 'ok file']);
    assert.match(findings[0]?.found ?? '', /no authority that SmartOS knows.*SELF_SIGNED/);
    assert.match(findings[0]?.todo ?? '', /IMGADM_INSECURE=1/);
    assert.match(findings[1]?.found ?? '', /^SmartOS gets TLSv1\.2 with ECDHE-/);
  }
});

test('a certificate for another name is a problem; without a name to check it is none', async (t) => {
  const url = await secureServer(t, tlsPair('rsa'));
  const [wrong] = only(tlsOf(await examine(url, { tlsName: 'images.lan' })), 'problem');
  assert.match(wrong?.found ?? '', /not for images\.lan \(it is for .*mirror\.test/);
  assert.deepEqual(only(tlsOf(await examine(url)), 'problem'), []);
  assert.deepEqual(only(tlsOf(await examine(url, { tlsName: '127.0.0.1' })), 'problem'), []);
});

test('keys SmartOS cannot use are problems, and so is a handshake it cannot make', async (t) => {
  for (const pair of ['ed25519', 'rsa-pss'] as const) {
    const found = only(tlsOf(await examine(await secureServer(t, tlsPair(pair)))), 'problem').map((one) => one.found);
    assert.match(found[0] ?? '', new RegExp(`a key of type ${pair}$`));
    assert.match(found[1] ?? '', /no handshake as SmartOS makes it/);
  }
  const new13 = tlsOf(await examine(await secureServer(t, { ...tlsPair('rsa'), minVersion: 'TLSv1.3' })));
  assert.match(
    only(new13, 'problem')[0]?.found ?? '',
    /no handshake as SmartOS makes it.*today’s clients get TLSv1\.3/,
  );
  const chacha = { ...tlsPair('rsa'), maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-CHACHA20-POLY1305' } as const;
  assert.equal(only(tlsOf(await examine(await secureServer(t, chacha))), 'problem').length, 1);
});

test('a curve SmartOS may not know, and TLS of yesterday, are warnings', async (t) => {
  const curve = tlsOf(await examine(await secureServer(t, tlsPair('other-curve'))));
  assert.match(only(curve, 'warning')[0]?.found ?? '', /curve secp256k1/);
  const old = { ...tlsPair('rsa'), minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
  const yesterday = tlsOf(await examine(await secureServer(t, old)));
  assert.match(yesterday.at(-1)?.found ?? '', /speaks TLSv1 at most/);
});

test('dates are looked at: what is over, and what soon will be', async (t) => {
  const url = await secureServer(t, tlsPair('rsa'));
  const at = async (date: string): Promise<Finding[]> => tlsOf(await examine(url, { nowMs: Date.parse(date) }));
  assert.match((await at('2300-01-01'))[0]?.found ?? '', /^the certificate expired on/);
  assert.match((await at('2000-01-01'))[0]?.found ?? '', /^the certificate is not valid before/);
  const { X509Certificate } = await import('node:crypto');
  const lastDay = new X509Certificate(tlsPair('rsa').cert).validToDate.getTime() - 86_400_000;
  const [soon] = tlsOf(await examine(url, { nowMs: lastDay }));
  assert.deepEqual([soon?.verdict, soon?.found.startsWith('the certificate expires on')], ['warning', true]);
});
