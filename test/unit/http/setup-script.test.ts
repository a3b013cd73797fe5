import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setupScript, urlOfHost } from '../../../src/http/setup-script.ts';
import { makeFakeImgadm } from '../../support/fake-imgadm.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const PUBLIC = 'https://images.smartos.org';
const MIRROR = 'http://mirror.lan:8080';
const script = setupScript({ url: MIRROR, product: 'imgapi-mirror/9.9.9' });

/** sh is there everywhere; which of the others this machine has differs. SmartOS's sh is a ksh93. */
const SHELLS = ['/bin/sh', '/bin/dash', '/bin/bash', '/bin/ksh', '/bin/zsh', '/bin/busybox'].filter((shell) => {
  try {
    accessSync(shell, constants.X_OK);
    return shell !== '/bin/busybox';
  } catch {
    // Not on this machine.
    return false;
  }
});

for (const shell of SHELLS) {
  const name = path.basename(shell);

  test(`piped to ${name}, the script adds the mirror, names the others, and removes nothing`, async (t) => {
    const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: [PUBLIC, 'https://docker.io'] });
    const { code, out, err } = await imgadm.run(shell, script);
    assert.deepEqual([code, err], [0, '']);
    assert.deepEqual(await imgadm.sources(), [PUBLIC, 'https://docker.io', MIRROR]);
    assert.deepEqual(await imgadm.calls(), ['sources', `sources|-a|${MIRROR}`]);
    assert.equal(
      out,
      `imgadm sources -a '${MIRROR}'
Added "imgapi" image source "${MIRROR}"

Other sources, which imgadm goes on asking, in the order of "imgadm sources". To remove one:
  imgadm sources -d '${PUBLIC}'
  imgadm sources -d 'https://docker.io'
`,
    );
  });

  test(`fetched by the address of the machine itself, ${name} warns, and adds it all the same`, async (t) => {
    for (const url of ['http://localhost:8080', 'http://127.0.0.1:8080', 'http://[::1]:8080']) {
      const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: [] });
      const { code, err } = await imgadm.run(shell, setupScript({ url, product: 'p/1' }));
      assert.deepEqual([code, await imgadm.sources()], [0, [url]]);
      assert.match(err, /^Warning: \S+ is this machine itself\. .*\n$/);
    }
    assert.doesNotMatch(setupScript({ url: 'http://300.1.1.1:8080', product: 'p/1' }), /Warning/);
  });

  test(`again, ${name} changes nothing`, async (t) => {
    for (const listed of [MIRROR, `${MIRROR}/`]) {
      const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: [PUBLIC, listed] });
      const { code, out } = await imgadm.run(shell, script);
      assert.equal(code, 0);
      assert.match(out, /^Already a source of this host: http:\/\/mirror\.lan:8080\n/);
      assert.doesNotMatch(out, /-d '?http:\/\/mirror/);
      assert.deepEqual(await imgadm.sources(), [PUBLIC, listed]);
      assert.deepEqual(await imgadm.calls(), ['sources']);
    }
  });

  test(`without imgadm, ${name} says so and exits 1`, async (t) => {
    const imgadm = await makeFakeImgadm(await makeTempDir(t), { isAbsent: true });
    const { code, out, err } = await imgadm.run(shell, script);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /no imgadm here/);
  });

  test(`a mirror that imgadm refuses makes ${name} exit 1 with advice`, async (t) => {
    const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: [PUBLIC], refusesToAdd: true });
    const plain = await imgadm.run(shell, script);
    assert.equal(plain.code, 1);
    assert.match(plain.err, /curl -v http:\/\/mirror\.lan:8080\/ping\n$/);
    const secure = await imgadm.run(shell, setupScript({ url: 'https://mirror.lan', product: 'x/1' }));
    assert.equal(secure.code, 1);
    assert.match(secure.err, /IMGADM_INSECURE=1/);
    assert.deepEqual(await imgadm.sources(), [PUBLIC]);
  });

  test(`half a script does nothing in ${name}, wherever it was cut`, async (t) => {
    const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: [PUBLIC] });
    for (const end of [0.3, 0.5, 0.7, 0.9]) await imgadm.run(shell, script.slice(0, script.length * end));
    assert.deepEqual(await imgadm.calls(), []);
  });

  test(`in ${name} a URL of every character is one word, and runs nothing`, async (t) => {
    const dir = await makeTempDir(t);
    const imgadm = await makeFakeImgadm(dir, { sources: ['http://[::1]:80', 'http://a*'] });
    const url = `http://h/it's$(imgadm pwned)\`imgadm pwned\`"; imgadm pwned #*[a]\\n%s`;
    const { code } = await imgadm.run(shell, setupScript({ url, product: 'x/1' }));
    assert.equal(code, 0);
    assert.deepEqual(await imgadm.calls(), ['sources', `sources|-a|${url}`]);
    const again = await imgadm.run(shell, setupScript({ url, product: 'x/1' }));
    assert.match(again.out, /^Already/);
  });
}

test('the Host header makes a URL only of host characters', () => {
  for (const [host, url] of [
    ['mirror', 'http://mirror'],
    ['Mirror.LAN:8080', 'http://mirror.lan:8080'],
    ['mirror.lan.', 'http://mirror.lan.'],
    ['10.0.0.1', 'http://10.0.0.1'],
    ['my_host-2.lan:65535', 'http://my_host-2.lan:65535'],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['[2001:db8::192.0.2.1]', 'http://[2001:db8::192.0.2.1]'],
  ] as const) {
    assert.equal(urlOfHost('http', [host]), url);
  }
  assert.equal(urlOfHost('https', ['mirror']), 'https://mirror');
});

test('a Host that is anything else, absent or there twice makes none', () => {
  const hostile = [
    '',
    ' ',
    'a b',
    'a\tb',
    "a';reboot;'",
    '$(reboot)',
    '`reboot`',
    'a"b',
    'a\\b',
    'a/b',
    'a?b',
    'a#b',
    'user@host',
    'user:pw@host',
    'a,b',
    'a;b',
    'a&b',
    'a|b',
    'a\nb',
    'a%20b',
    '-a',
    '-d',
    'a.-b',
    '.a',
    'a..b',
    'a:',
    'a:0',
    'a:65536',
    'a:123456',
    'a:8o',
    'a:80:80',
    '::1',
    '[::1',
    '[::1]]',
    '[::1]x',
    '[fe80::1%eth0]',
    '[1.2.3.4]',
    '[zz]',
    '[:::]',
    'hôte',
    '\u212a', // the Kelvin sign, which lower case makes a k
    'xn--\u0000',
    `${'a'.repeat(64)}.lan`,
    `${'a.'.repeat(127)}aa`,
  ];
  for (const host of hostile) assert.equal(urlOfHost('http', [host]), undefined, JSON.stringify(host));
  assert.equal(urlOfHost('http', []), undefined);
  assert.equal(urlOfHost('http', ['mirror', 'mirror']), undefined);
});
