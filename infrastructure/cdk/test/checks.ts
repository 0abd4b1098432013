/** What must be true of a template, as checks that can be run on one that is broken on purpose. */

import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { bill, total } from '../lib/bill';
import { BINARIES } from '../lib/functions';
import { WRITTEN } from '../lib/metrics';
import { HOME, ROUTES } from '../lib/routes';

/** A template that may be broken. */
export type Broken = { Resources: Record<string, { Type: string; Properties: any; [key: string]: any }> };

const TABLES = JSON.parse(readFileSync(path.join(HOME, '../../haumana-store-dynamo/tables.json'), 'utf8')).Tables;
const DELETING = ['DeleteItem', 'BatchWriteItem'];

/** Returns what is wrong with a template, one text for each thing. */
export function problems(template: Broken): string[] {
  const of = (type: string) => Object.values(template.Resources).filter((one) => one.Type === type);
  const found: string[] = [];
  const must = (isSo: boolean, what: string) => { if (!isSo) found.push(what); };
  const functions = of('AWS::Lambda::Function').map((one) => one.Properties);

  must(functions.length === Object.keys(BINARIES).length, 'every function is there');
  for (const one of functions) {
    const name = String(one.FunctionName).replace('haumana-', '');
    const needs = BINARIES[name];
    must(needs !== undefined && one.MemorySize === needs.memoryMb && one.Timeout === needs.timeoutSecs, `${name}: memory and time`);
    must(0 < (one.ReservedConcurrentExecutions ?? 0), `${name}: reserved concurrency`);
    must(one.Environment.Variables.HAUMANA_CALLER_KEY !== undefined, `${name}: the key of hashes`);
    must(needs?.access === 'none' || one.Environment.Variables.HAUMANA_ALLOWANCE !== undefined, `${name}: the allowance`);
    must(one.Tags?.some((tag: any) => tag.Key === 'haumana:prefix'), `${name}: tags`);
    must(one.LoggingConfig?.LogGroup !== undefined, `${name}: a log of its own`);
  }
  for (const { Properties: role } of of('AWS::IAM::Role')) {
    const statements = role.AssumeRolePolicyDocument.Statement;
    must(statements.every((one: any) => /^(lambda|apigateway)\.amazonaws\.com$/.test(one.Principal?.Service)), 'a role trusts one service');
  }
  const policies = of('AWS::IAM::Policy').map((one) => one.Properties);
  const actions = (name: string) => policies.filter((policy) => JSON.stringify(policy.Roles).includes(name.replaceAll('-', '')))
    .flatMap((policy) => policy.PolicyDocument.Statement)
    .flatMap((one) => [one.Resource].flat().flatMap(() => [one.Action].flat() as string[]));
  for (const [name, needs] of Object.entries(BINARIES).filter(([, one]) => one.access !== 'none')) {
    const may = actions(`Functions${name}Role`);
    for (const action of ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'UpdateItem', 'ConditionCheckItem', ...DELETING]) {
      // On three tables, and Query on two indexes; who erases nothing deletes from the history alone.
      const wanted = action === 'Query' ? 5 : DELETING.includes(action) && needs.access === 'sync' ? 1 : 3;
      must(may.filter((one) => one === `dynamodb:${action}`).length === wanted, `${name} may ${action} where it must`);
    }
    must(!may.some((action) => /Scan|\*|DeleteTable/.test(action)), `${name} may no more than it needs`);
    must(needs.directory.every((action) => may.includes(`cognito-idp:${action}`)), `${name} may use the directory`);
  }
  for (const wanted of TABLES) {
    const table = of('AWS::DynamoDB::Table').map((one) => one.Properties).find((one) => one.TableName === wanted.TableName);
    must(table !== undefined, `the table ${wanted.TableName}`);
    const same = (name: string) => JSON.stringify(table?.[name]) === JSON.stringify(wanted[name]);
    must(['KeySchema', 'TimeToLiveSpecification', 'BillingMode'].every(same), `${wanted.TableName}: keys and time to live`);
    must(table?.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled === true, `${wanted.TableName}: recovery`);
    must(table?.DeletionProtectionEnabled === true, `${wanted.TableName}: deletion protection`);
  }
  must(of('AWS::DynamoDB::Table').every((one) => one.DeletionPolicy === 'Retain'), 'tables stay');
  const logs = of('AWS::Logs::LogGroup').map((one) => one.Properties);
  must(logs.every((one) => one.RetentionInDays === (String(one.LogGroupName).endsWith('account-lambda') ? 400 : 14)), 'how long logs are kept');
  const methods = of('AWS::ApiGateway::Method').map((one) => one.Properties);
  must(methods.length === ROUTES.length, 'every route is a method');
  must(methods.filter((one) => one.AuthorizerId === undefined).length === ROUTES.filter((one) => !one.token).length, 'the authorizer is asked');
  const [authorizer] = of('AWS::ApiGateway::Authorizer').map((one) => one.Properties);
  must(authorizer?.AuthorizerResultTtlInSeconds === 300 && authorizer?.IdentityValidationExpression !== undefined, 'the authorizer');
  const [stage] = of('AWS::ApiGateway::Stage').map((one) => one.Properties);
  must(stage?.AccessLogSetting?.Format?.includes('$context.authorizer.caller') === true, 'the access log names callers by hashes');
  must(!/sourceIp|identity|principalId|requestContext.path/.test(stage?.AccessLogSetting?.Format ?? ''), 'the access log names nobody');
  must(stage?.MethodSettings?.every((one: any) => one.ThrottlingRateLimit <= 50 && one.DataTraceEnabled === false && one.LoggingLevel === 'OFF') === true, 'the stage');
  must(of('AWS::ApiGateway::GatewayResponse').some((one) => one.Properties.ResponseType === 'THROTTLED' && one.Properties.StatusCode === '429'), 'what is said to who is throttled');
  const alarms = of('AWS::CloudWatch::Alarm').map((one) => one.Properties);
  must(alarms.every((one) => one.AlarmActions?.length === 1 && one.OKActions?.length === 1), 'alarms go to the topic');
  must(of('AWS::SNS::Subscription').length === 1, 'somebody hears of them');
  must(0 < (JSON.stringify(of('AWS::CloudWatch::Dashboard')).match(/Haumana/g) ?? []).length, 'the dashboard shows something');
  must(of('AWS::Cognito::UserPool').every((one) => one.Properties.UserPoolTier === 'LITE' && one.DeletionPolicy === 'Retain'), 'the pool');
  must(of('AWS::Budgets::Budget').length === 1, 'the budget');
  try {
    must(total(bill(template, WRITTEN, { users: 0, years: 0 })) <= 0.05, 'an idle stack costs nothing');
  } catch (error) {
    found.push(String(error));
  }
  return found;
}
