/** A mistake in the settings is reported before anything is made. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stack } from './support';

test('what is missing or wrong is listed at once, by name', () => {
  const wrong = {
    googleClientIds: '', alertEmail: 'nobody', prefix: 'Haumana!', processor: 'mips', generation: '-1',
    retentionDays: 'long', corsOrigins: 'https://a.example/', keepData: 'maybe', existingApiId: '/',
  };

  assert.throws(() => stack(wrong), (error: Error) => {
    for (const name of Object.keys(wrong)) {
      assert.match(error.message, new RegExp(`^- ${name}`, 'm'));
    }
    return true;
  });
});

test('an origin that no browser sends is refused, before a function refuses to start with it', () => {
  for (const corsOrigins of ['https://a.example:443', 'http://a.example:80', 'https://a.example:0443']) {
    assert.throws(() => stack({ corsOrigins }), /^- corsOrigins: /m);
  }
  stack({ corsOrigins: 'https://a.example,https://a.example:8443,http://localhost:443' });
});

test('the least that works is two settings', () => {
  stack();
});
