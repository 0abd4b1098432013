/** A month costs what DEPLOYMENT.md says, whatever is added to the template. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { bill, Line, standing, Template, total } from '../lib/bill';
import { WRITTEN } from '../lib/metrics';
import { HOME } from '../lib/routes';
import { Context, template } from './support';

function synthesised(context: Context = {}): Template {
  return template(context).toJSON() as Template;
}

/** The dollars of the lines whose names begin with this text. */
function of(lines: readonly Line[], name: string): number {
  const found = lines.filter((line) => line.what.startsWith(name));
  assert.ok(0 < found.length, name);
  return total(found);
}

test('an idle stack costs no more than five cents, beside an existing API too', () => {
  const contexts: Context[] = [{}, { existingApiId: 'abc123', existingApiName: 'old' }];
  for (const context of contexts) {
    const lines = bill(synthesised(context), WRITTEN, { users: 0, years: 0 });

    assert.ok(total(lines) <= 0.05, JSON.stringify(lines));
  }
});

test('alarms, metrics and the dashboard are within what is free for ever', () => {
  const stands = standing(synthesised(), WRITTEN);

  assert.deepEqual(
    { alarms: stands.alarmMetrics, metrics: stands.customMetrics, dashboards: stands.dashboards },
    { alarms: 10, metrics: 10, dashboards: 1 },
  );
  assert.ok(0 < stands.dashboardMetrics && stands.dashboardMetrics <= 50, `${stands.dashboardMetrics}`);
});

test('a hundred users cost no more than sixty cents, alarms and dashboard included', () => {
  const lines = bill(synthesised(), WRITTEN, { users: 100, years: 1 });

  assert.ok(total(lines) <= 0.60, JSON.stringify(lines));
});

test('a probe every five minutes costs three cents, and 100 users stay below sixty', () => {
  const context = { probeMinutes: '5' };
  const of = (month: { users: number; years: number }, context: Context = {}) =>
    total(bill(synthesised(context), WRITTEN, month));

  const idle = of({ users: 0, years: 0 }, context) - of({ users: 0, years: 0 });
  assert.ok(0.030 <= idle && idle < 0.035, `${idle}`);
  assert.ok(of({ users: 0, years: 0 }, context) <= 0.05);
  assert.ok(of({ users: 100, years: 1 }, context) <= 0.60);
  assert.equal(standing(synthesised(context), WRITTEN).customMetrics, 10, 'it shares a metric');
});

/** The context of a new stack. An API that is moved stays a REST API. */
const STANDARD: Context = { api: '' };
const MANY = { users: 10_000, years: 5 };

test('ten thousand users with five years of sessions cost no more than 60 dollars in a new stack', () => {
  const standard = bill(synthesised(STANDARD), WRITTEN, MANY);
  const rest = bill(synthesised(), WRITTEN, MANY);

  assert.ok(total(standard) <= 60, `${total(standard)}`);
  assert.ok(60 < total(rest), 'a REST API costs more; DEPLOYMENT.md says how much');
  assert.ok(total(bill(synthesised(STANDARD), WRITTEN, { users: 100, years: 1 })) <= 0.60);
  assert.ok(total(bill(synthesised(STANDARD), WRITTEN, { users: 0, years: 0 })) <= 0.05);
});

test('a call of an HTTP API is counted once for each half megabyte that begins of its body', () => {
  const of = (context: Context) => {
    const [line] = bill(synthesised(context), WRITTEN, { users: 1, years: 1 }).filter((one) => one.what === 'API Gateway');
    return (line?.dollars ?? 0) / 30 * 1e6;
  };

  // Ten syncs with a body of 1.0 MB, ten calls for sessions, three starts of the app.
  assert.ok(Math.abs(of(STANDARD) - (10 * 2 + 10 + 3)) < 1e-6, `${of(STANDARD)}`);
  assert.ok(Math.abs(of({}) - 23 * 3.5) < 1e-6, `${of({})}`);
});

test('arm64 costs a fifth less for the time of functions, and nothing else', () => {
  const lines = (context: Context) => bill(synthesised(context), WRITTEN, { users: 1_000_000, years: 5 });
  const [usual, arm] = [lines(STANDARD), lines({ ...STANDARD, processor: 'arm64' })];

  assert.ok(Math.abs(of(arm, 'Lambda, time') / of(usual, 'Lambda, time') - 0.8) < 1e-4);
  assert.deepEqual(usual.filter((one) => one.what !== 'Lambda, time'), arm.filter((one) => one.what !== 'Lambda, time'));
});

test('a canary costs nothing', () => {
  const dollars = (context: Context) => total(bill(synthesised(context), WRITTEN, MANY));

  assert.equal(dollars({ canaryMinutes: '5' }), dollars({}));
});

test('the bill sees an alarm more, a metric more, a dashboard with too much, and a firewall', () => {
  const nobody = { users: 0, years: 0 };
  const before = total(bill(synthesised(), WRITTEN, nobody));
  const changed = (change: (resources: Record<string, any>) => void, written: readonly string[] = WRITTEN) => {
    const copy = structuredClone(synthesised());
    change(copy.Resources);
    return Math.round((total(bill(copy, written, nobody)) - before) * 100) / 100;
  };
  const alarm = { Type: 'AWS::CloudWatch::Alarm', Properties: { MetricName: 'Failed' } };
  const three = { Type: 'AWS::CloudWatch::Alarm', Properties: { Metrics: [{ MetricStat: {} }, { MetricStat: {} }, { Expression: '' }, { MetricStat: {} }] } };

  assert.equal(changed((resources) => { resources.More = alarm; }), 0.10);
  assert.equal(changed((resources) => { resources.More = three; }), 0.30);
  assert.equal(changed(() => undefined, [...WRITTEN, 'Another']), 0.30);
  assert.equal(changed((resources) => {
    const body = { widgets: [{ properties: { metrics: Array(51).fill(['a', 'b']) } }] };
    resources.More = { Type: 'AWS::CloudWatch::Dashboard', Properties: { DashboardBody: JSON.stringify(body) } };
  }), 6);
  assert.equal(total(bill(synthesised({ requestsPerAddress: '500' }), WRITTEN, nobody)) - before, 6);
});

test('a kind of resource of which nobody has said what it costs stops the bill', () => {
  const copy = structuredClone(synthesised()) as { Resources: Record<string, any> };
  copy.Resources.Secret = { Type: 'AWS::SecretsManager::Secret' };

  assert.throws(() => standing(copy, WRITTEN), /nobody has said what these cost: AWS::SecretsManager::Secret/);
});

test('what is billed by use follows the users, and Cognito only those who come anew', () => {
  const month = (users: number) => bill(synthesised(), WRITTEN, { users, years: 5 });
  const [small, large] = [month(10_000), month(1_000_000)];

  for (const name of ['reading', 'writing', 'point-in-time']) {
    assert.ok(Math.abs(of(large, name) / of(small, name) - 100) < 1e-6, name);
  }
  assert.equal(of(small, 'Cognito'), 0);
  assert.ok(of(large, 'Cognito') < 200, `${of(large, 'Cognito')}`);
});

test('DEPLOYMENT.md has the bills that the templates make', () => {
  const text = readFileSync(path.join(HOME, '../../DEPLOYMENT.md'), 'utf8');
  const months = [{ users: 0, years: 0 }, { users: 100, years: 1 }, MANY, { users: 1_000_000, years: 5 }];
  const of = (context: Context, from: typeof months) => from.map((one) => bill(synthesised(context), WRITTEN, one));
  const bills = [...of(STANDARD, months), ...of({}, months)];
  const must = (row: string) => assert.ok(text.includes(row), `DEPLOYMENT.md must have: ${row}`);

  bills[0]?.forEach(({ what }, at) => {
    const cells = bills.map((lines) => (lines[at]?.dollars ?? 0).toFixed(2));
    must(`| ${what} | ${cells.join(' | ')} |`);
  });
  must(`| **together** | ${bills.map((lines) => `**${total(lines).toFixed(2)}**`).join(' | ')} |`);
});
