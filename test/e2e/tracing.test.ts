import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startCollector } from '../support/collector.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { startServing } from './mirror-process.ts';

const LOG_MODULES = new URL('log-modules.ts', import.meta.url).href;

for (const isTraced of [false, true]) {
  test(`serve ${isTraced ? 'loads OpenTelemetry where an endpoint is configured, and sends what is left at its end' : 'loads nothing of OpenTelemetry where no endpoint is configured'}`, async (t) => {
    await using collector = await startCollector();
    const image = makeImage();
    await using upstream = await startImageServer({ images: [image] });
    const cwd = await makeTempDir(t);
    const modulesLog = path.join(cwd, 'modules.log');
    const mirror = await startServing(t, {
      cwd,
      dir: path.join(cwd, 'cache'),
      upstreams: [upstream.url],
      env: {
        NODE_OPTIONS: `--import ${LOG_MODULES}`,
        MODULES_LOG: modulesLog,
        ...(isTraced ? { IMGAPI_MIRROR_TRACING_ENDPOINT: collector.endpoint } : {}),
      },
    });
    await (await fetch(`${mirror.url}/images/${image.uuid}/file`)).arrayBuffer();
    mirror.child.kill('SIGTERM');
    assert.equal(await mirror.ended, 0);

    const modules = readFileSync(modulesLog, 'utf8');
    assert.match(modules, /fastify/, 'what is loaded is logged, of CommonJS too');
    // Its API alone is loaded in any case: by prom-client, for exemplars.
    assert.equal(/@opentelemetry\/(?!api\/)|tracing\/otlp/.test(modules), isTraced);
    assert.equal(
      collector.spans.some(({ name }) => name === 'GET file'),
      isTraced,
    );
  });
}
