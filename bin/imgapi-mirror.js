#!/usr/bin/env node
// Plain JavaScript on purpose: an old Node cannot load a .ts file, and must be told so in one clear line.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(
    `imgapi-mirror needs Node 24.15 or newer, this is ${process.versions.node} (${process.execPath}); ` +
      'in a checkout, `npm ci` brings one and `npm start` uses it\n',
  );
  process.exit(1);
}
// Left alone, V8 lets its nursery grow to a hundred MB under a hundred followers, and keeps it. A small one costs nothing
// that the benchmarks can see.
v8.setFlagsFromString('--semi-space-growth-factor=1');
// Halves the time to start. A cache that cannot be written is only slower.
module.enableCompileCache(path.join(tmpdir(), `imgapi-mirror-compile-cache-${process.getuid?.() ?? 'user'}`));
const built = new URL('../dist/main.js', import.meta.url);
await import(existsSync(built) ? built.href : new URL('../src/main.ts', import.meta.url).href);
