/** What goes wrong is noticed, and nothing goes unexplained. */

import { Match } from 'aws-cdk-lib/assertions';
import * as sns from 'aws-cdk-lib/aws-sns';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, check, Context, stack, template } from './support';

test('everything that the operator must know of rings', () => {
  const names = (context = {}) => all(template(context), 'AWS::CloudWatch::Alarm')
    .map(({ Properties }) => Properties.AlarmName.replace('haumana-', '')).sort();
  const everywhere = [
    'authorizer', 'authorizer-failures', 'authorizer-latency', 'conflicts', 'dynamodb', 'errors',
    'latency', 'table-throttles', 'throttles',
  ];

  assert.deepEqual(names(), [...everywhere, 'server-errors'].sort());
  assert.deepEqual(names({ existingApiId: 'abc123' }), everywhere);
});

test('every alarm goes to the topic, and is silent when there is nothing to measure', () => {
  for (const alarm of all(template(), 'AWS::CloudWatch::Alarm')) {
    const [action] = alarm.Properties.AlarmActions;
    assert.match(action.Ref, /^AlarmsTopic/);
    assert.equal(alarm.Properties.TreatMissingData, 'notBreaching');
    const metrics = (alarm.Properties.Metrics ?? []).filter((one: any) => one.MetricStat);
    assert.ok(metrics.length <= 10, `${alarm.Properties.AlarmName}: CloudWatch takes ten metrics`);
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

test('every log ends some day', () => {
  const logs = all(template({ logRetentionDays: '14' }), 'AWS::Logs::LogGroup');
  assert.equal(logs.length, 6);
  for (const log of logs) {
    assert.equal(log.Properties.RetentionInDays, 14);
  }
});

test('users are in a directory to which nobody signs in', () => {
  const made = template();
  made.resourceCountIs('AWS::Cognito::UserPoolClient', 0);
  made.hasResource('AWS::Cognito::UserPool', {
    DeletionPolicy: 'Retain',
    Properties: Match.objectLike({
      AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
      DeletionProtection: 'ACTIVE',
      // With e-mail addresses as names, `google_<sub>` would be none.
      UsernameAttributes: Match.absent(),
      AliasAttributes: Match.absent(),
      Schema: ['email', 'name', 'picture', 'updated_at'].map((Name) => ({ Name, Mutable: true, Required: false })),
    }),
  });
  template({ existingUserPoolId: 'us-west-2_Abc' }).resourceCountIs('AWS::Cognito::UserPool', 0);
});

test('cdk-nag finds nothing that is not explained', () => {
  const contexts: Context[] = [
    {}, { corsOrigins: 'https://a.example' }, { requestsPerAddress: '0' },
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
  // CDK lets the process fail too, and this failure is wanted.
  process.exitCode = before;
});
