/** A mistake in the settings is told before anything is made. */

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

test('the least that works is two settings', () => {
  stack();
});
