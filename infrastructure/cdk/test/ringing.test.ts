/**
 * Each alarm is driven: what the functions print in a fault goes through the template's own filters,
 * statistics and comparisons. The lines are those of the functions: `lines.json` is printed by
 * `haumana-lambda`, whose tests hold it.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { HOME } from '../lib/routes';
import { metricsOf, rings, Value, Written } from './cloudwatch';
import { all, template } from './support';

const LINES: Record<string, string> = JSON.parse(readFileSync(path.join(HOME, 'test/lines.json'), 'utf8'));
const MINUTE = 60;
const UNTIL = 60 * MINUTE;

/** One thing that goes on: lines and values, so many in a minute. */
interface Situation {
  readonly lines?: [log: string, name: string, everyMinute: number][];
  /** Of AWS itself, which counts by its own. */
  readonly vended?: [namespace: string, name: string, value: number][];
  /** Which alarms ring, and no others. */
  readonly ring: string[];
}

const PIECES = 'sync-pieces-lambda';
const AUTHORIZER = 'google-token-authorizer';
const CALM: Situation['lines'] = [[PIECES, 'calm sync', 1], [AUTHORIZER, 'good token', 1]];

const SITUATIONS: Record<string, Situation> = {
  calm: { lines: CALM, ring: [] },
  'nobody calls': { ring: [] },
  'a throttled table': { lines: [[PIECES, 'throttled table', 3], [AUTHORIZER, 'good token', 1]], ring: ['failures', 'retries'] },
  'an outage, a call in two minutes': { lines: [[PIECES, 'failed call', 0.5]], ring: ['failures'] },
  'one failed call in ten': { lines: [[PIECES, 'failed call', 1], [PIECES, 'calm sync', 9]], ring: [] },
  'keys that cannot be had': {
    lines: [[AUTHORIZER, 'no keys', 1], [AUTHORIZER, 'no keys, counted', 1]], ring: ['failures', 'unverified'],
  },
  'keys that cannot be had at a sign-in': {
    lines: [['auth-sync-lambda', 'no keys at a sign-in', 1], ...CALM], ring: ['unverified'],
  },
  'an authorizer that API Gateway cannot ask': { lines: [['access', 'authorizer failure', 1]], ring: ['unverified'] },
  'refused tokens': { lines: [[AUTHORIZER, 'refused token', 0.2], [PIECES, 'calm sync', 3]], ring: ['refusals'] },
  'one refused token among good ones': { lines: [[AUTHORIZER, 'refused token', 1], [AUTHORIZER, 'good token', 3]], ring: [] },
  'slow functions': { lines: [[PIECES, 'slow call', 1]], ring: ['latency'] },
  'a storm of conflicts': { lines: [[PIECES, 'lost values', 1], [PIECES, 'calm sync', 2]], ring: ['conflicts'] },
  'an account past its allowance that goes on': { lines: [[PIECES, 'limited', 30], ...CALM], ring: ['limited'] },
  'an account past its allowance that waits': { lines: [[PIECES, 'limited', 1], ...CALM], ring: [] },
  'time-outs': { lines: [[PIECES, 'time-out', 0.2], ...CALM], ring: ['crashes'] },
  'a function that cannot start': { lines: [['account-lambda', 'cannot start', 0.2], ...CALM], ring: ['crashes'] },
  'a process that ends': { lines: [[AUTHORIZER, 'exited', 0.2], ...CALM], ring: ['crashes'] },
  'no permission to call a function': { vended: [['AWS/ApiGateway', '5XXError', 1]], ring: ['server-errors'] },
  'too few functions at once': { vended: [['AWS/Lambda', 'Throttles', 1]], lines: CALM, ring: ['throttles'] },
};

function written(situation: Situation): Written[] {
  return (situation.lines ?? []).flatMap(([log, name, everyMinute]) => {
    const line = LINES[name];
    assert.ok(line !== undefined, `${name} is in lines.json`);
    const n = Math.ceil(everyMinute * UNTIL / MINUTE);
    return Array.from({ length: n }, (_, at) => ({ at: at * MINUTE / everyMinute, log, line }));
  });
}

function vended(situation: Situation): Value[] {
  return (situation.vended ?? []).flatMap(([namespace, name, value]) =>
    Array.from({ length: UNTIL / MINUTE }, (_, at) => ({ at: at * MINUTE, namespace, name, value })));
}

/** The name of the log that a filter reads. */
function logOf(filter: any): string {
  const groups = template().findResources('AWS::Logs::LogGroup');
  const name: string = groups[filter.LogGroupName.Ref]?.Properties.LogGroupName;
  return name.endsWith('/access') ? 'access' : name.replace('/aws/lambda/haumana-', '');
}

/** Which alarms ring. */
function ringing(situation: Situation, change = (alarm: any) => alarm, filters = all(template(), 'AWS::Logs::MetricFilter')): string[] {
  const values = [...metricsOf(written(situation), filters, logOf), ...vended(situation)];
  return all(template(), 'AWS::CloudWatch::Alarm').map(({ Properties }) => change({ ...Properties }))
    .filter((alarm) => rings(alarm, values, UNTIL))
    .map((alarm) => alarm.AlarmName.replace('haumana-', '')).sort();
}

for (const [name, situation] of Object.entries(SITUATIONS)) {
  test(`${name}: ${situation.ring.join(', ') || 'nothing'} rings`, () => {
    assert.deepEqual(ringing(situation), [...situation.ring].sort());
  });
}

test('every alarm rings in some situation', () => {
  const rung = new Set(Object.values(SITUATIONS).flatMap((situation) => situation.ring));
  const there = all(template(), 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.AlarmName.replace('haumana-', ''));

  assert.deepEqual([...rung].sort(), there.sort());
});

test('an alarm that is broken on purpose is noticed', () => {
  const broken: Record<string, (alarm: any) => any> = {
    'compares the wrong way': (alarm) => ({ ...alarm, ComparisonOperator: 'LessThanThreshold' }),
    'in the wrong unit': (alarm) => ({ ...alarm, Threshold: alarm.Threshold * 1000 + 1 }),
    'of a metric that is misspelt': (alarm) => ({ ...alarm, MetricName: `${alarm.MetricName}s` }),
    'in another namespace': (alarm) => ({ ...alarm, Namespace: 'Haumana' }),
    'rings without data': (alarm) => ({ ...alarm, TreatMissingData: 'breaching' }),
  };
  for (const [name, change] of Object.entries(broken)) {
    const noticed = Object.values(SITUATIONS)
      .some((situation) => ringing(situation, change).join() !== [...situation.ring].sort().join());
    assert.ok(noticed, name);
  }
  const filters = all(template(), 'AWS::Logs::MetricFilter');
  for (const filter of filters) {
    const other = filters.filter((one) => one !== filter);
    const misspelt = { ...filter, Properties: { ...filter.Properties, FilterPattern: '{ $.reason = "kyes" }' } };
    const isDriven = Object.values(SITUATIONS).some((situation) =>
      ringing(situation, undefined, [...other, misspelt as any]).join() !== [...situation.ring].sort().join());
    const log = logOf(filter.Properties);
    // The same filter on other functions' logs is the same line of code.
    assert.ok(isDriven || ['sync-sessions-lambda', 'sync-lambda', 'auth-sync-lambda'].includes(log), log);
  }
});
