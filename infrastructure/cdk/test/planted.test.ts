/**
 * Every fault that is planted in the template is found. `TABLE=1 npm test` prints by which check.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rings } from './cloudwatch';
import { Broken, problems } from './checks';
import { template } from './support';

const CONTEXT = { accountConcurrency: '1000' };

function fresh(): Broken {
  return structuredClone(template(CONTEXT).toJSON()) as Broken;
}

/** The properties of the first resource of a type, or of the one with this text in it. */
function first(made: Broken, type: string, text = ''): any {
  const found = Object.values(made.Resources).find((one) => one.Type === type && JSON.stringify(one).includes(text));
  assert.ok(found !== undefined, `${type} ${text}`);
  return found.Properties;
}

function remove(made: Broken, type: string, text = ''): void {
  const name = Object.keys(made.Resources).find((id) =>
    made.Resources[id]?.Type === type && JSON.stringify(made.Resources[id]).includes(text));
  assert.ok(name !== undefined, `${type} ${text}`);
  delete made.Resources[name];
}

function statement(made: Broken, action: string): any {
  const policy = first(made, 'AWS::IAM::Policy', action);
  return policy.PolicyDocument.Statement.find((one: any) => [one.Action].flat().includes(action));
}

function alarm(made: Broken, name: string): any {
  return first(made, 'AWS::CloudWatch::Alarm', `"haumana-${name}"`);
}

const PLANTED: Record<string, (made: Broken) => void> = {
  'a permission is dropped': (made) => { const one = statement(made, 'dynamodb:ConditionCheckItem'); one.Action = one.Action.filter((action: string) => action !== 'dynamodb:ConditionCheckItem'); },
  'a Scan is added': (made) => { statement(made, 'dynamodb:GetItem').Action.push('dynamodb:Scan'); },
  'everything is permitted': (made) => { statement(made, 'dynamodb:GetItem').Action.push('dynamodb:*'); },
  'users cannot be erased from the directory': (made) => { statement(made, 'cognito-idp:AdminDeleteUser').Action = 'cognito-idp:AdminGetUser'; },
  'a role trusts everybody': (made) => { first(made, 'AWS::IAM::Role').AssumeRolePolicyDocument.Statement[0].Principal = { AWS: '*' }; },
  'a key of a table is renamed': (made) => { first(made, 'AWS::DynamoDB::Table').KeySchema[1].AttributeName = 'id'; },
  'time to live is off': (made) => { delete first(made, 'AWS::DynamoDB::Table', '_expires').TimeToLiveSpecification; },
  'recovery is off': (made) => { first(made, 'AWS::DynamoDB::Table').PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled = false; },
  'deletion protection is off': (made) => { first(made, 'AWS::DynamoDB::Table').DeletionProtectionEnabled = false; },
  'a table goes with the stack': (made) => { Object.values(made.Resources).find((one) => one.Type === 'AWS::DynamoDB::Table')!.DeletionPolicy = 'Delete'; },
  'a table is missing': (made) => remove(made, 'AWS::DynamoDB::Table', 'haumana-history'),
  'a function has 128 MB': (made) => { first(made, 'AWS::Lambda::Function').MemorySize = 128; },
  'a function has 3 s': (made) => { first(made, 'AWS::Lambda::Function').Timeout = 3; },
  'the authorizer has no concurrency of its own': (made) => { delete first(made, 'AWS::Lambda::Function', 'haumana-google-token-authorizer').ReservedConcurrentExecutions; },
  'no limit for an account': (made) => { delete first(made, 'AWS::Lambda::Function', 'haumana-sync-pieces-lambda').Environment.Variables.HAUMANA_ALLOWANCE; },
  'no key of hashes': (made) => { delete first(made, 'AWS::Lambda::Function', 'haumana-account-lambda').Environment.Variables.HAUMANA_CALLER_KEY; },
  'no tags': (made) => { delete first(made, 'AWS::Lambda::Function').Tags; },
  'a function is missing': (made) => remove(made, 'AWS::Lambda::Function', 'haumana-account-lambda'),
  'the audit log ends in two weeks': (made) => { first(made, 'AWS::Logs::LogGroup', 'account-lambda').RetentionInDays = 14; },
  'a log is kept for ever': (made) => { delete first(made, 'AWS::Logs::LogGroup', 'sync-pieces').RetentionInDays; },
  'a route is missing': (made) => remove(made, 'AWS::ApiGateway::Method', '"HttpMethod":"DELETE"'),
  'a method asks for no token': (made) => { delete first(made, 'AWS::ApiGateway::Method', 'CUSTOM').AuthorizerId; },
  'verdicts are kept for an hour': (made) => { first(made, 'AWS::ApiGateway::Authorizer').AuthorizerResultTtlInSeconds = 3600; },
  'the access log names nobody by a hash': (made) => { first(made, 'AWS::ApiGateway::Stage').AccessLogSetting.Format = '{}'; },
  'the access log has addresses': (made) => { first(made, 'AWS::ApiGateway::Stage').AccessLogSetting.Format += '$context.identity.sourceIp'; },
  'the execution log is on': (made) => { first(made, 'AWS::ApiGateway::Stage').MethodSettings[0].LoggingLevel = 'INFO'; },
  'the stage lets everything through': (made) => { first(made, 'AWS::ApiGateway::Stage').MethodSettings[0].ThrottlingRateLimit = 10_000; },
  'who is throttled is told 500': (made) => { first(made, 'AWS::ApiGateway::GatewayResponse', '"THROTTLED"').StatusCode = '500'; },
  'an alarm tells nobody': (made) => { delete first(made, 'AWS::CloudWatch::Alarm').AlarmActions; },
  'nobody hears of alarms': (made) => remove(made, 'AWS::SNS::Subscription'),
  'the dashboard is empty': (made) => { first(made, 'AWS::CloudWatch::Dashboard').DashboardBody = '{"widgets":[]}'; },
  'an alarm over three metrics': (made) => { const one = first(made, 'AWS::CloudWatch::Alarm'); delete one.MetricName; one.Metrics = [{ MetricStat: {} }, { MetricStat: {} }, { MetricStat: {} }]; },
  'a firewall is added': (made) => { made.Resources.Firewall = { Type: 'AWS::WAFv2::WebACL', Properties: { Rules: [{}] } }; },
  'a metric has a dimension': (made) => { first(made, 'AWS::Logs::MetricFilter').MetricTransformations[0].Dimensions = [{ Key: 'caller', Value: '$.caller' }]; },
  'something that nobody has priced is added': (made) => { made.Resources.Nat = { Type: 'AWS::EC2::NatGateway', Properties: {} }; },
  'the pool has the dear plan': (made) => { first(made, 'AWS::Cognito::UserPool').UserPoolTier = 'PLUS'; },
  'an alarm on errors compares the wrong way': (made) => { alarm(made, 'failures').ComparisonOperator = 'LessThanThreshold'; },
  'an alarm on errors can never ring': (made) => { alarm(made, 'failures').Threshold = 1; },
  'latency is in seconds': (made) => { alarm(made, 'latency').Threshold = 3; },
  'latency is in microseconds': (made) => { alarm(made, 'latency').Threshold = 3_000_000; },
  'the metric of throttles is misspelt': (made) => { alarm(made, 'throttles').MetricName = 'Throttle'; },
  'a metric of ours is misspelt': (made) => { alarm(made, 'conflicts').MetricName = 'Conflict'; },
  'an alarm is over another stack': (made) => { alarm(made, 'crashes').Namespace = 'Haumana/other'; },
  'an alarm adds up a rate': (made) => { alarm(made, 'failures').Statistic = 'Sum'; },
  'an alarm averages a count': (made) => { alarm(made, 'limited').Statistic = 'Average'; },
  'an alarm rings without data': (made) => { alarm(made, 'refusals').TreatMissingData = 'breaching'; },
  'an alarm must be due for a day': (made) => { const one = alarm(made, 'retries'); one.EvaluationPeriods = 288; one.DatapointsToAlarm = 288; },
  'an alarm is switched off': (made) => { alarm(made, 'crashes').ActionsEnabled = false; },
  'a filter is for a reason that is never logged': (made) => { first(made, 'AWS::Logs::MetricFilter', 'reason').FilterPattern = '{ $.reason = "key" }'; },
  'a filter is for words that Lambda never writes': (made) => { first(made, 'AWS::Logs::MetricFilter', 'Task timed out').FilterPattern = '?"timeout"'; },
  'a filter counts into a metric that nobody watches': (made) => { first(made, 'AWS::Logs::MetricFilter', 'AUTHORIZER_FAILURE').MetricTransformations[0].MetricName = 'Unverifiable'; },
  'alarms may not write to the topic': (made) => { first(made, 'AWS::SNS::TopicPolicy').PolicyDocument.Statement = first(made, 'AWS::SNS::TopicPolicy').PolicyDocument.Statement.filter((one: any) => one.Effect === 'Deny'); },
  'everybody may write to the topic': (made) => { first(made, 'AWS::SNS::TopicPolicy').PolicyDocument.Statement.push({ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sns:Publish' }); },
  'alarms go to another address': (made) => { first(made, 'AWS::SNS::Subscription').Endpoint = 'somebody@example.org'; },
  'a table has no index': (made) => { delete first(made, 'AWS::DynamoDB::Table', 'haumana-sessions').LocalSecondaryIndexes; },
  'a table is replaced with its content': (made) => { Object.values(made.Resources).find((one) => one.Type === 'AWS::DynamoDB::Table')!.UpdateReplacePolicy = 'Delete'; },
  'a route goes to another function': (made) => { const [one, other] = ['POST', 'DELETE'].map((verb) => first(made, 'AWS::ApiGateway::Method', `"HttpMethod":"${verb}"`)); [one.Integration, other.Integration] = [other.Integration, one.Integration]; },
  'the stage has another name': (made) => { first(made, 'AWS::ApiGateway::Stage').StageName = 'dev'; },
  'bodies are text': (made) => { delete first(made, 'AWS::ApiGateway::RestApi').BinaryMediaTypes; },
  'whatever is no token reaches the authorizer': (made) => { first(made, 'AWS::ApiGateway::Authorizer').IdentityValidationExpression = '.*'; },
  'every API may call a function': (made) => { delete first(made, 'AWS::Lambda::Permission').SourceArn; },
  'everybody may call a function': (made) => { first(made, 'AWS::Lambda::Permission').Principal = '*'; },
  'a role has a policy of AWS': (made) => { first(made, 'AWS::IAM::Role').ManagedPolicyArns = ['arn:aws:iam::aws:policy/AdministratorAccess']; },
  'a permission is on every table': (made) => { statement(made, 'dynamodb:GetItem').Resource = '*'; },
  'a function may not write its log': (made) => { statement(made, 'logs:PutLogEvents').Action = 'logs:CreateLogStream'; },
  'the functions are of two generations': (made) => { first(made, 'AWS::Lambda::Function', 'haumana-sync-lambda').Environment.Variables.HAUMANA_GENERATION = '1'; },
  'a function has other tables': (made) => { first(made, 'AWS::Lambda::Function', 'haumana-sync-lambda').Environment.Variables.HAUMANA_TABLE_PREFIX = 'trial-'; },
  'the tokens of another app are taken': (made) => { first(made, 'AWS::Lambda::Function', 'haumana-google-token-authorizer').Environment.Variables.HAUMANA_GOOGLE_CLIENT_IDS = 'other.example'; },
  'metrics stand where no alarm looks': (made) => { first(made, 'AWS::Lambda::Function', 'haumana-sync-lambda').Environment.Variables.HAUMANA_METRICS = 'Haumana'; },
  'another processor than the programs': (made) => { first(made, 'AWS::Lambda::Function').Architectures = ['arm64']; },
  'the access log cannot be joined': (made) => { const one = first(made, 'AWS::ApiGateway::Stage').AccessLogSetting; one.Format = one.Format.replace('$context.requestId', '-'); },
  'the settings are not kept': (made) => { delete made.Metadata; },
  'somebody may sign in to the pool': (made) => { made.Resources.Client = { Type: 'AWS::Cognito::UserPoolClient', Properties: {} }; },
  'the budget is missing': (made) => remove(made, 'AWS::Budgets::Budget'),
};

test('nothing is wrong with the template as it is', () => {
  assert.deepEqual(problems(fresh()), []);
});

test('planted: no termination protection', () => {
  assert.deepEqual(problems(fresh(), false), ['the stack cannot be deleted by accident']);
});

for (const [name, plant] of Object.entries(PLANTED)) {
  test(`planted: ${name}`, () => {
    const made = fresh();
    plant(made);

    const found = problems(made);

    if (process.env.TABLE) {
      console.log(`| ${name} | ${found.join('; ')} |`);
    }
    assert.ok(0 < found.length, 'is found');
  });
}

test('there are as many faults as were asked for, and the evaluator of alarms refuses what it does not know', () => {
  assert.ok(25 <= Object.keys(PLANTED).length);
  const alarm = { Namespace: 'x', MetricName: 'y', Period: 60, Statistic: 'Average', ComparisonOperator: 'odd', EvaluationPeriods: 1, DatapointsToAlarm: 1 };
  assert.throws(() => rings(alarm, [{ at: 0, namespace: 'x', name: 'y', value: 1 }], 60), /comparison odd/);
});
