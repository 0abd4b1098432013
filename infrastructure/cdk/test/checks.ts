/**
 * What must be true of a template. The checks can be run on a template that is broken on purpose.
 */

import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { TOKEN_FORM } from '../lib/api';
import { bill, total } from '../lib/bill';
import { BINARIES } from '../lib/functions';
import { METADATA } from '../lib/guard';
import { WRITTEN } from '../lib/metrics';
import { HOME, ROUTES } from '../lib/routes';
import { wrongAlarms } from './situations';

/** A template that may be broken. */
export type Broken = {
  Resources: Record<string, { Type: string; Properties: any; [key: string]: any }>;
  Metadata?: Record<string, any>;
};

/** Records a fault if `isSo` is false. */
type Must = (isSo: boolean, what: string) => void;
type Of = (type: string) => { Type: string; Properties: any; [key: string]: any }[];

const TABLES = JSON.parse(readFileSync(path.join(HOME, '../../haumana-store-dynamo/tables.json'), 'utf8')).Tables;
const DELETING = ['DeleteItem', 'BatchWriteItem'];
/** Services that may use a role. */
const TRUSTED = /^(lambda|apigateway)\.amazonaws\.com$/;
/** Metrics that AWS writes by itself. */
const OF_AWS = ['AWS/Lambda Throttles', 'AWS/ApiGateway 5XXError'];

/**
 * Returns what is wrong with a template, one text for each fault. `isProtected`: whether the stack
 * is protected from deletion, which is not in the template.
 */
export function problems(template: Broken, isProtected = true): string[] {
  const of: Of = (type) => Object.values(template.Resources).filter((one) => one.Type === type);
  const found: string[] = [];
  const must: Must = (isSo, what) => { if (!isSo) found.push(what); };
  must(isProtected, 'the stack cannot be deleted by accident');
  functions(of, must);
  permissions(of, must);
  tables(of, must);
  api(template, of, must);
  watching(template, of, must);
  must(template.Metadata?.[METADATA]?.googleClientIds !== undefined, 'the settings are kept');
  try {
    must(total(bill(template, WRITTEN, { users: 0, years: 0 })) <= 0.05, 'an idle stack costs nothing');
  } catch (error) {
    found.push(String(error));
  }
  return found;
}

function functions(of: Of, must: Must): void {
  const made = of('AWS::Lambda::Function').map((one) => one.Properties);
  must(made.length === Object.keys(BINARIES).length, 'every function is there');
  for (const one of made) {
    const name = String(one.FunctionName).replace('haumana-', '');
    const needs = BINARIES[name];
    const variables = one.Environment.Variables;
    must(needs !== undefined && one.MemorySize === needs.memoryMb && one.Timeout === needs.timeoutSecs, `${name}: memory and time`);
    must(256 <= one.MemorySize && 10 <= one.Timeout && one.Timeout < 29, `${name}: memory and time that suffice`);
    must(0 < (one.ReservedConcurrentExecutions ?? 0), `${name}: reserved concurrency`);
    must(one.Runtime === 'provided.al2023' && one.Architectures?.[0] === 'x86_64', `${name}: the runtime`);
    must(variables.HAUMANA_CALLER_KEY !== undefined, `${name}: the key of hashes`);
    must(variables.HAUMANA_METRICS === 'Haumana/haumana', `${name}: where its metrics stand`);
    must(needs?.access === 'none' || variables.HAUMANA_ALLOWANCE !== undefined, `${name}: the allowance`);
    must(needs?.access === 'none' || (variables.HAUMANA_GENERATION === '0' && variables.HAUMANA_TABLE_PREFIX === 'haumana-'), `${name}: generation and tables`);
    must(!needs?.verifies || variables.HAUMANA_GOOGLE_CLIENT_IDS === 'app.example,web.example', `${name}: whose tokens are taken`);
    must(one.Tags?.some((tag: any) => tag.Key === 'haumana:prefix'), `${name}: tags`);
    must(one.LoggingConfig?.LogGroup !== undefined, `${name}: a log of its own`);
  }
}

function permissions(of: Of, must: Must): void {
  for (const { Properties: role } of of('AWS::IAM::Role')) {
    const statements = role.AssumeRolePolicyDocument.Statement;
    must(statements.every((one: any) => TRUSTED.test(one.Principal?.Service) && Object.keys(one.Principal).length === 1), 'a role trusts one service');
    must(role.ManagedPolicyArns === undefined, 'a role has no policy of AWS');
  }
  for (const { Properties: one } of of('AWS::Lambda::Permission')) {
    must(one.Principal === 'apigateway.amazonaws.com' && one.SourceArn !== undefined, 'only this API calls a function');
  }
  const policies = of('AWS::IAM::Policy').map((one) => one.Properties);
  const statementsOf = (name: string) => policies.filter((policy) => JSON.stringify(policy.Roles).includes(name.replaceAll('-', '')))
    .flatMap((policy) => policy.PolicyDocument.Statement);
  for (const [name, needs] of Object.entries(BINARIES)) {
    const statements = statementsOf(`Functions${name}Role`);
    const may = statements.flatMap((one) => [one.Action].flat() as string[]);
    must(statements.every((one) => ![one.Resource].flat().includes('*')), `${name} may it on what is its own`);
    must(!may.some((action) => /Scan|\*|DeleteTable/.test(action)), `${name} may no more than it needs`);
    must(['CreateLogStream', 'PutLogEvents'].every((action) => may.includes(`logs:${action}`)), `${name} may write its log`);
    must(needs.directory.every((action) => may.includes(`cognito-idp:${action}`)), `${name} may use the directory`);
    // On three tables, and Query on two indexes. A function that does not erase may delete from the
    // history alone.
    for (const action of needs.access === 'none' ? [] : ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'UpdateItem', 'ConditionCheckItem', ...DELETING]) {
      const n = DELETING.includes(action) && needs.access === 'sync' ? 1 : action === 'Query' ? 5 : 3;
      const resources = statements.filter((one) => [one.Action].flat().includes(`dynamodb:${action}`)).flatMap((one) => [one.Resource].flat());
      must(new Set(resources.map((one) => JSON.stringify(one))).size === n, `${name} may ${action} where it must`);
    }
  }
}

function tables(of: Of, must: Must): void {
  for (const wanted of TABLES) {
    const table = of('AWS::DynamoDB::Table').map((one) => one.Properties).find((one) => one.TableName === wanted.TableName);
    must(table !== undefined, `the table ${wanted.TableName}`);
    const same = (name: string) => JSON.stringify(table?.[name]) === JSON.stringify(wanted[name]);
    must(['KeySchema', 'TimeToLiveSpecification', 'BillingMode', 'LocalSecondaryIndexes'].every(same), `${wanted.TableName}: keys, indexes and time to live`);
    must(table?.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled === true, `${wanted.TableName}: recovery`);
    must(table?.DeletionProtectionEnabled === true, `${wanted.TableName}: deletion protection`);
    must(table?.Tags?.some((tag: any) => tag.Key === 'haumana:prefix'), `${wanted.TableName}: tags`);
  }
  must(of('AWS::DynamoDB::Table').every((one) => one.DeletionPolicy === 'Retain' && one.UpdateReplacePolicy === 'Retain'), 'tables stay');
  must(of('AWS::Cognito::UserPool').every((one) => one.Properties.UserPoolTier === 'LITE' && one.DeletionPolicy === 'Retain' && one.Properties.DeletionProtection === 'ACTIVE'), 'the pool');
  must(of('AWS::Cognito::UserPoolClient').length === 0, 'nobody signs in to the pool');
}

function api(template: Broken, of: Of, must: Must): void {
  const methods = of('AWS::ApiGateway::Method').map((one) => one.Properties);
  must(methods.length === ROUTES.length, 'every route is a method');
  must(methods.filter((one) => one.AuthorizerId === undefined).length === ROUTES.filter((one) => !one.token).length, 'the authorizer is asked');
  for (const route of ROUTES) {
    const id = `Functions${route.function.replaceAll('-', '')}`;
    const goes = methods.filter((one) => one.HttpMethod === route.method && pathOf(template, one.ResourceId) === route.path)
      .some((one) => one.Integration.Type === 'AWS_PROXY' && JSON.stringify(one.Integration.Uri).includes(`"${id}`));
    must(goes, `${route.method} ${route.path} goes to ${route.function}`);
  }
  const [authorizer] = of('AWS::ApiGateway::Authorizer').map((one) => one.Properties);
  must(authorizer?.AuthorizerResultTtlInSeconds === 300 && authorizer?.IdentityValidationExpression === TOKEN_FORM && authorizer?.Type === 'TOKEN', 'the authorizer');
  must(of('AWS::ApiGateway::RestApi').every((one) => JSON.stringify(one.Properties.BinaryMediaTypes) === '["*/*"]'), 'bodies byte for byte');
  const [stage] = of('AWS::ApiGateway::Stage').map((one) => one.Properties);
  const format = stage?.AccessLogSetting?.Format ?? '';
  must(stage?.StageName === 'prod', 'the stage that the app calls');
  must(format.includes('$context.authorizer.caller') && format.includes('$context.requestId'), 'the access log names callers by hashes');
  must(!/sourceIp|identity|principalId|requestContext.path/.test(format), 'the access log names nobody');
  must(stage?.MethodSettings?.every((one: any) => one.ThrottlingRateLimit <= 50 && one.DataTraceEnabled === false && one.LoggingLevel === 'OFF') === true, 'the stage');
  must(of('AWS::ApiGateway::GatewayResponse').some((one) => one.Properties.ResponseType === 'THROTTLED' && one.Properties.StatusCode === '429'), 'what is said to who is throttled');
}

/** The path of a resource of the API, from the parts of its parents. */
function pathOf(template: Broken, resource: any): string {
  const { PathPart, ParentId } = template.Resources[resource?.Ref]?.Properties ?? {};
  return PathPart === undefined ? '' : `${pathOf(template, ParentId)}/${PathPart}`;
}

function watching(template: Broken, of: Of, must: Must): void {
  const logs = of('AWS::Logs::LogGroup').map((one) => one.Properties);
  must(logs.every((one) => one.RetentionInDays === (String(one.LogGroupName).endsWith('account-lambda') ? 400 : 14)), 'how long logs are kept');
  const alarms = of('AWS::CloudWatch::Alarm').map((one) => one.Properties);
  must(alarms.every((one) => toTopic(one.AlarmActions) && toTopic(one.OKActions) && one.ActionsEnabled !== false), 'alarms go to the topic');
  const filtered = of('AWS::Logs::MetricFilter').flatMap((one) => one.Properties.MetricTransformations)
    .map((one: any) => `${one.MetricNamespace} ${one.MetricName}`);
  const known = [...WRITTEN.map((name) => `Haumana/haumana ${name}`), ...filtered, ...OF_AWS];
  must(alarms.every((one) => known.includes(`${one.Namespace} ${one.MetricName}`)), 'alarms are over what is written');
  wrongAlarms(template.Resources).forEach((what) => must(false, what));
  must(of('AWS::SNS::Subscription').some((one) => one.Properties.Protocol === 'email' && one.Properties.Endpoint === 'kumu@example.org'), 'somebody hears of them');
  const statements = of('AWS::SNS::TopicPolicy').flatMap((one) => one.Properties.PolicyDocument.Statement);
  must(statements.some((one: any) => one.Principal.Service === 'cloudwatch.amazonaws.com' && one.Action === 'sns:Publish'), 'alarms may write to the topic');
  must(statements.every((one: any) => one.Effect === 'Deny' || one.Condition !== undefined), 'nobody else may write to the topic');
  const shown = JSON.stringify(of('AWS::CloudWatch::Dashboard'));
  must([...WRITTEN, 'Crashed', 'Unverified'].every((name) => shown.includes(`${name}`)), 'the dashboard shows what is measured');
  must(of('AWS::Budgets::Budget').length === 1, 'the budget');
}

function toTopic(actions: any): boolean {
  return actions?.length === 1 && /^AlarmsTopic/.test(actions[0].Ref);
}
