/** The probe notices what no function can notice of itself. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ANSWER, PROGRAM } from '../lib/probe';
import { matches } from './cloudwatch';
import { all, check, Context, stack, template } from './support';

/** Runs the probe with this answer, and returns what it prints. */
async function printed(fetch: (url: string) => Promise<{ status: number }>): Promise<string[]> {
  const lines: string[] = [];
  const exports: { handler?: () => Promise<void> } = {};
  const around = { exports, fetch, console: { log: (line: string) => lines.push(line) }, AbortSignal,
    process: { env: { HAUMANA_HEALTH_URL: 'https://api.example/prod/health' } } };
  new Function(...Object.keys(around), PROGRAM)(...Object.values(around));
  await exports.handler?.();
  return lines;
}

function counting(context: Context): any[] {
  return all(template(context), 'AWS::Logs::MetricFilter').map(({ Properties }) => Properties)
    .filter((one) => String(one.FilterPattern).includes(NO_ANSWER));
}

test('there is no probe unless it is asked for', () => {
  assert.equal(all(template(), 'AWS::Events::Rule').length, 0);
  assert.equal(counting({}).length, 0);
});

test('a good answer says nothing, and any other is a line that an alarm counts', async () => {
  const [filter] = counting({ probeMinutes: '5' });

  assert.deepEqual(await printed(async (url) => ({ status: url === 'https://api.example/prod/health' ? 200 : 404 })), []);
  const bad = [
    await printed(async () => ({ status: 500 })),
    await printed(async () => ({ status: 403 })),
    await printed(async () => { throw Object.assign(new Error('x'), { name: 'TimeoutError' }); }),
  ];

  assert.deepEqual(bad.flat(), [`${NO_ANSWER} 500`, `${NO_ANSWER} 403`, `${NO_ANSWER} TimeoutError`]);
  assert.ok(bad.flat().every((line) => matches(filter.FilterPattern, line)));
  assert.deepEqual(filter.MetricTransformations[0].MetricName, 'Crashed');
  assert.ok(!matches(filter.FilterPattern, 'REPORT RequestId: 1b2c Duration: 3.02 ms'));
});

test('it calls the address that phones call, also beside an existing API', () => {
  const url = (context: Context) => {
    const [probe] = all(template(context), 'AWS::Lambda::Function').map(({ Properties }) => Properties)
      .filter((one) => one.FunctionName === 'haumana-probe');
    return JSON.stringify(probe.Environment.Variables.HAUMANA_HEALTH_URL);
  };

  assert.match(url({ probeMinutes: '5' }), /execute-api.*health/);
  assert.match(url({ probeMinutes: '5', existingApiId: 'abc123', stage: 'dev' }), /https:\/\/abc123\.execute-api.*\/dev\/health/);
});

test('it may write its log and nothing else, and cdk-nag finds nothing', () => {
  const policies = all(template({ probeMinutes: '5' }), 'AWS::IAM::Policy')
    .filter((one) => JSON.stringify(one.Properties.Roles).includes('ProbeRole'));

  const actions = policies.flatMap((one) => one.Properties.PolicyDocument.Statement).flatMap((one: any) => one.Action);
  assert.deepEqual(actions, ['logs:CreateLogStream', 'logs:PutLogEvents']);
  check(stack({ probeMinutes: '5' }).app);
});
