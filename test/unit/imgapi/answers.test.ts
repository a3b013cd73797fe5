import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as answers from '../../../src/imgapi/answers.ts';
import type { MirrorError } from '../../../src/imgapi/errors.ts';

const UUID = '2ab26a8c-616b-4b2f-9a30-b121c044c278';

const ANSWERS: readonly (readonly [what: string, error: MirrorError, statusCode: number, body: object])[] = [
  [
    'an unknown image',
    answers.imageNotFound(UUID),
    404,
    { code: 'ResourceNotFound', message: `image ${UUID} not found` },
  ],
  [
    'an image outside the channel',
    answers.imageNotInChannel(),
    404,
    { code: 'ResourceNotFound', message: 'image not found' },
  ],
  [
    'an unknown path',
    answers.pathNotFound('/images/?a=b'),
    404,
    { code: 'ResourceNotFound', message: '/images/?a=b does not exist' },
  ],
  [
    'a missing file',
    answers.noFileAtIndex(UUID, 1),
    404,
    { code: 'ResourceNotFound', message: `image "${UUID}" has no file at index 1` },
  ],
  ['a missing icon', answers.noIcon(UUID), 404, { code: 'ResourceNotFound', message: `image "${UUID}" has no icon` }],
  [
    'an unknown channel',
    answers.unknownChannel('bogus'),
    422,
    {
      code: 'ValidationFailed',
      message: 'unknown channel: bogus',
      errors: [{ field: 'channel', code: 'Invalid' }],
    },
  ],
  [
    'an unsupported version',
    answers.unsupportedVersion('~99', 'GET', '/ping'),
    400,
    { code: 'InvalidVersion', message: '~99 is not supported by GET /ping' },
  ],
  ['a write', answers.unauthorized(), 401, { code: 'UnauthorizedError', message: 'Unauthorized' }],
  [
    'an unknown method',
    answers.methodNotAllowed('PATCH'),
    405,
    { code: 'MethodNotAllowedError', message: 'PATCH is not allowed' },
  ],
];

for (const [what, error, statusCode, body] of ANSWERS) {
  test(`answers ${what} as the real server does`, () => {
    assert.equal(error.statusCode, statusCode);
    assert.deepEqual(error.toBody(), body);
  });
}
