/** Every fault is noticed, and every finding is explained. */

import { Match } from 'aws-cdk-lib/assertions';
import * as sns from 'aws-cdk-lib/aws-sns';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { KEYS } from '../lib/alarms';
import { BINARIES } from '../lib/functions';
import { WRITTEN } from '../lib/metrics';
import { HOME, ROUTES } from '../lib/routes';
import { all, check, Context, stack, template } from './support';

test('everything that the operator must know of rings', () => {
  const names = (context = {}) => all(template(context), 'AWS::CloudWatch::Alarm')
    .map(({ Properties }) => Properties.AlarmName.replace('haumana-', '')).sort();
  const everywhere = [
    'conflicts', 'crashes', 'failures', 'latency', 'limited', 'refusals', 'retries', 'throttles',
    'unverified',
  ];

  assert.deepEqual(names(), [...everywhere, 'server-errors'].sort());
  assert.deepEqual(names({ existingApiId: 'abc123' }), everywhere);
  assert.deepEqual(names({ existingApiId: 'abc123', existingApiName: 'old' }), [...everywhere, 'server-errors'].sort());
});

test('every alarm goes to the topic, is over one metric, and is silent when there is nothing to measure', () => {
  for (const { Properties: alarm } of all(template(), 'AWS::CloudWatch::Alarm')) {
    const [action] = alarm.AlarmActions;
    assert.match(action.Ref, /^AlarmsTopic/);
    assert.equal(alarm.TreatMissingData, 'notBreaching');
    assert.equal(alarm.ComparisonOperator, 'GreaterThanThreshold');
    assert.equal(alarm.Metrics, undefined, `${alarm.AlarmName}: each metric of an alarm is billed`);
    assert.equal(typeof alarm.MetricName, 'string');
    assert.ok(alarm.DatapointsToAlarm <= alarm.EvaluationPeriods, alarm.AlarmName);
  }
});

test('alarms watch what is written: by the functions, by a filter, or by AWS', () => {
  const made = template();
  const filtered = all(made, 'AWS::Logs::MetricFilter')
    .flatMap(({ Properties }) => Properties.MetricTransformations);
  const ours = [...WRITTEN, ...filtered.map((one: any) => one.MetricName)];
  assert.ok(filtered.every((one: any) => one.MetricNamespace === 'Haumana/haumana'));

  for (const { Properties: alarm } of all(made, 'AWS::CloudWatch::Alarm')) {
    switch (alarm.Namespace) {
      case 'Haumana/haumana':
        assert.ok(ours.includes(alarm.MetricName), `${alarm.AlarmName}: ${alarm.MetricName}`);
        assert.equal(alarm.Dimensions, undefined, alarm.AlarmName);
        break;
      case 'AWS/Lambda': assert.equal(alarm.MetricName, 'Throttles'); break;
      case 'AWS/ApiGateway': assert.equal(alarm.MetricName, '5XXError'); break;
      default: assert.fail(alarm.Namespace);
    }
  }
});

test('beside an existing API the same is watched of the functions', () => {
  const watched = (context: Context) => all(template(context), 'AWS::CloudWatch::Alarm')
    .filter(({ Properties: one }) => one.Namespace !== 'AWS/ApiGateway')
    .map(({ Properties: one }) => `${one.Namespace} ${one.MetricName} ${one.Statistic ?? one.ExtendedStatistic}`).sort();

  assert.deepEqual(watched({ existingApiId: 'abc123' }), watched({}));
});

test('a line that means that no token can be verified, or that a function is gone, is counted', () => {
  const filters = all(template(), 'AWS::Logs::MetricFilter').map(({ Properties }) => Properties);
  const counting = (name: string) => filters.filter((one) => one.MetricTransformations[0].MetricName === name);

  assert.equal(counting('Crashed').length, Object.keys(BINARIES).length, 'the log of every function');
  for (const { FilterPattern } of counting('Crashed')) {
    for (const line of ['2026-11-28T19:00:00.000Z 1b2c Task timed out after 28.00 seconds',
      'RequestId: 1b2c Error: Runtime exited with error: exit status 1', 'Runtime.ExitError',
      'cannot start: the environment variable HAUMANA_GENERATION is missing']) {
      assert.ok(matchesAnyTerm(FilterPattern, line), `${FilterPattern} must meet: ${line}`);
    }
    assert.ok(!matchesAnyTerm(FilterPattern, 'REPORT RequestId: 1b2c Duration: 3.02 ms Status: success'));
  }
  const patterns = counting('Unverified').map((one) => one.FilterPattern).sort();
  assert.deepEqual(patterns, [
    '{ $.reason = "keys" }', '{ $.reason = "keys" }',
    '{ ($.failure = "AUTHORIZER_FAILURE") || ($.failure = "AUTHORIZER_CONFIGURATION_ERROR") }',
  ].sort());
  const source = readFileSync(path.join(HOME, '../../haumana-auth/src/authorizer.rs'), 'utf8');
  assert.ok(source.includes(`KEYS: &str = "${KEYS}"`), 'the reason is the one that is logged');
});

/** Like CloudWatch for `?"one term" ?"another"`: a line matches if it contains one of the terms. */
function matchesAnyTerm(pattern: string, line: string): boolean {
  return [...pattern.matchAll(/\?"([^"]+)"/g)].some(([, term]) => line.includes(term ?? '-'));
}

test('the dashboard shows something, and nothing that is not there', () => {
  const [dashboard] = all(template(), 'AWS::CloudWatch::Dashboard');
  const text = JSON.stringify(dashboard?.Properties.DashboardBody);

  for (const name of [...WRITTEN, 'Crashed', 'Unverified']) {
    assert.ok(text.includes(name), name);
  }
});

test('the topic writes to the operator, and lets in this account\'s alarms only', () => {
  const made = template();
  made.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'kumu@example.org' });
  made.hasResourceProperties('AWS::SNS::TopicPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([Match.objectLike({
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      })]),
    },
  });
});

test('the budget writes before it is spent', () => {
  template({ monthlyBudgetUsd: '7' }).hasResourceProperties('AWS::Budgets::Budget', {
    Budget: Match.objectLike({ BudgetLimit: { Amount: 7, Unit: 'USD' }, TimeUnit: 'MONTHLY' }),
    NotificationsWithSubscribers: Match.arrayWith([Match.objectLike({
      Notification: Match.objectLike({ NotificationType: 'FORECASTED', Threshold: 100 }),
      Subscribers: [{ SubscriptionType: 'EMAIL', Address: 'kumu@example.org' }],
    })]),
  });
  template({ monthlyBudgetUsd: '0' }).resourceCountIs('AWS::Budgets::Budget', 0);
});

test('every log ends in two weeks, and that of exports and erasures in more than a year', () => {
  const kept = (context: Context) => Object.fromEntries(all(template(context), 'AWS::Logs::LogGroup')
    .map(({ Properties: log }) => [log.LogGroupName, log.RetentionInDays]));
  const audit = '/aws/lambda/haumana-account-lambda';

  const usual = kept({});
  const chosen = kept({ logRetentionDays: '7', auditDays: '731' });

  assert.equal(Object.keys(usual).length, 7);
  for (const name of Object.keys(usual)) {
    assert.equal(usual[name], name === audit ? 400 : 14, name);
    assert.equal(chosen[name], name === audit ? 731 : 7, name);
  }
});

test('only exports, imports, rewinds and erasures are in the log that is kept, and all of them are', () => {
  const there = ROUTES.filter((route) => route.function === 'account-lambda')
    .map((route) => `${route.method} ${route.path}`);

  assert.deepEqual(there, [
    'GET /users/{me}/export', 'POST /users/{me}/import', 'POST /users/{me}/rewind', 'DELETE /users/{me}',
  ]);
});

test('users are in a directory to which nobody signs in', () => {
  const made = template();
  made.resourceCountIs('AWS::Cognito::UserPoolClient', 0);
  made.hasResource('AWS::Cognito::UserPool', {
    DeletionPolicy: 'Retain',
    Properties: Match.objectLike({
      AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
      DeletionProtection: 'ACTIVE',
      // If e-mail addresses were the names, `google_<sub>` could not be one.
      UsernameAttributes: Match.absent(),
      AliasAttributes: Match.absent(),
      Schema: ['email', 'name', 'picture', 'updated_at'].map((Name) => ({ Name, Mutable: true, Required: false })),
    }),
  });
  template({ existingUserPoolId: 'us-west-2_Abc' }).resourceCountIs('AWS::Cognito::UserPool', 0);
});

test('cdk-nag finds nothing that is not explained', () => {
  const contexts: Context[] = [
    {}, { corsOrigins: 'https://a.example' }, { requestsPerAddress: '500' },
    { existingApiId: 'abc123' }, { keepData: 'false' },
  ];
  for (const context of contexts) {
    check(stack(context).app);
  }
});

test('cdk-nag would find something', () => {
  const { app, stack: made } = stack();
  new sns.Topic(made, 'Open');

  const before = process.exitCode;
  assert.throws(() => check(app), /Validation failed/);
  // CDK also makes the process fail, and this failure is intended.
  process.exitCode = before;
});
