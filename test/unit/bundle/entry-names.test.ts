import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { entryNamesOf, isEntryName } from '../../../src/bundle/entry-names.ts';
import { manifestOf, uuidOf } from '../../support/manifest-of.ts';

const { uuid } = manifestOf({ uuid: uuidOf(1) });

suite('names of entries', () => {
  test('are made of name, version and uuid', () => {
    const names = entryNamesOf(uuid, { name: 'base-64', version: 'master/16.1.0', files: [{ compression: 'xz' }, {}] });
    assert.equal(names.manifest, `base-64-master-16.1.0-${uuid}.imgmanifest`);
    assert.equal(names.file(0), `base-64-master-16.1.0-${uuid}.zfs.xz`);
    assert.equal(names.file(1), `base-64-master-16.1.0-${uuid}.file1.zfs`);
    assert.equal(names.icon('image/jpeg'), `base-64-master-16.1.0-${uuid}.icon.jpg`);
    assert.equal(entryNamesOf(uuid, { version: 3 }).manifest, `3-${uuid}.imgmanifest`);
    assert.equal(entryNamesOf(uuid, { name: '--../..', version: '' }).manifest, `${uuid}.imgmanifest`);
  });

  test('take nothing that every object has for a suffix', () => {
    const names = entryNamesOf(uuid, { name: 'base', version: '1', files: [{ compression: 'toString' }] });
    assert.equal(names.file(0), `base-1-${uuid}.zfs`);
    assert.equal(names.icon('constructor'), `base-1-${uuid}.icon`);
  });

  test('are safe and short, whatever an image is named', () => {
    const anything = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.integer(), fc.constant(undefined));
    fc.assert(
      fc.property(anything, anything, anything, fc.nat(9999), (name, version, compression, index) => {
        const names = entryNamesOf(uuid, { name, version, files: [{ compression }] });
        for (const one of [names.manifest, names.file(0), names.file(index), names.icon('application/octet-stream')]) {
          assert(isEntryName(one), one);
          assert(one.includes(uuid));
        }
      }),
    );
  });
});
