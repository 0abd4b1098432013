/**
 * Situations, and which alarms must ring in each: lines as the functions print them, minute by
 * minute.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { HOME } from '../lib/routes';
import { metricsOf, rings, Value, Written } from './cloudwatch';

const LINES: Record<string, string> = JSON.parse(readFileSync(path.join(HOME, 'test/lines.json'), 'utf8'));
const MINUTE = 60;
const UNTIL = 60 * MINUTE;

/** One situation: its lines and values, with their numbers in a minute. */
export interface Situation {
  readonly lines?: [log: string, name: string, everyMinute: number][];
  /** Values of AWS's own metrics. */
  readonly vended?: [namespace: string, name: string, value: number][];
  /** The alarms that ring; no others do. */
  readonly ring: string[];
}

const PIECES = 'sync-pieces-lambda';
const AUTHORIZER = 'google-token-authorizer';
const CALM: Situation['lines'] = [[PIECES, 'calm sync', 1], [AUTHORIZER, 'good token', 1]];

export const SITUATIONS: Record<string, Situation> = {
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
  'refused sign-ins, as after a release with another client id': {
    lines: [['auth-sync-lambda', 'refused call', 0.5]], ring: ['refusals'],
  },
  'one refused token among good ones': { lines: [[AUTHORIZER, 'refused token', 1], [AUTHORIZER, 'good token', 3]], ring: [] },
  'slow functions': { lines: [[PIECES, 'slow call', 1]], ring: ['latency'] },
  'a storm of conflicts': { lines: [[PIECES, 'lost values', 1], [PIECES, 'calm sync', 2]], ring: ['conflicts'] },
  'an account past its allowance that goes on': { lines: [[PIECES, 'limited', 30], ...CALM], ring: ['limited'] },
  'an account past its allowance that waits': { lines: [[PIECES, 'limited', 1], ...CALM], ring: [] },
  'time-outs': { lines: [[PIECES, 'time-out', 0.2], ...CALM], ring: ['crashes'] },
  'a function that cannot start': { lines: [['account-lambda', 'cannot start', 0.2], ...CALM], ring: ['crashes'] },
  'a process that ends': { lines: [[AUTHORIZER, 'exited', 0.2], ...CALM], ring: ['crashes'] },
  'no permission to call a function': { vended: [['AWS/ApiGateway', '5XXError{ApiName=haumana-api}', 1]], ring: ['server-errors'] },
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

type Resources = Readonly<Record<string, { Type: string; Properties: any }>>;

function of(resources: Resources, type: string): any[] {
  return Object.values(resources).filter((one) => one.Type === type);
}

/** The name of the log that a filter reads. */
export function logOf(resources: Resources, filter: any): string {
  const name = String(resources[filter.LogGroupName?.Ref]?.Properties.LogGroupName);
  return name.endsWith('/access') ? 'access' : name.replace('/aws/lambda/haumana-', '');
}

/** The alarms of a template that ring, by name without the prefix. */
export function ringing(resources: Resources, situation: Situation): string[] {
  const filters = of(resources, 'AWS::Logs::MetricFilter');
  const lines = written(situation);
  const values = [...metricsOf(lines, filters, (filter) => logOf(resources, filter)), ...vended(situation)];
  return of(resources, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties)
    .filter((alarm) => rings(alarm, values, UNTIL))
    .map((alarm) => String(alarm.AlarmName).replace('haumana-', '')).sort();
}

/**
 * What is wrong with the alarms of a template: those that ring although they should not, and those
 * that do not.
 */
export function wrongAlarms(resources: Resources): string[] {
  return Object.entries(SITUATIONS).flatMap(([name, situation]) => {
    const wanted = [...situation.ring].sort();
    const rung = ringing(resources, situation);
    return rung.join() === wanted.join() ? [] : [`${name}: ${rung.join(', ') || 'nothing'} rings, not ${wanted.join(', ') || 'nothing'}`];
  });
}
