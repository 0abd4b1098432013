/** A new stack has an HTTP API, whose functions verify tokens themselves. */

import { App } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTHORIZER, BINARIES, LIVE } from '../lib/functions';
import { readSettings } from '../lib/settings';
import { ROUTES } from '../lib/routes';
import { ringing, Situation, SITUATIONS } from './situations';
import { all, check, Context, stack, template } from './support';

const HTTP: Context = { api: 'http' };
const RECORDS = Object.entries(BINARIES).filter(([, needs]) => needs.access !== 'none').map(([name]) => name);

test('every route goes to its function, in the format of REST APIs, and all else to one that says what it is', () => {
  const made = template(HTTP);
  const integrations = made.findResources('AWS::ApiGatewayV2::Integration') as Record<string, any>;
  const goesTo = (target: any) => {
    const id = target['Fn::Join'][1].at(-1).Ref;
    const one = integrations[id].Properties;
    assert.deepEqual([one.IntegrationType, one.PayloadFormatVersion], ['AWS_PROXY', '1.0']);
    return one.IntegrationUri.Ref;
  };
  const routes = Object.fromEntries(all(made, 'AWS::ApiGatewayV2::Route').map(({ Properties: one }) => {
    assert.equal(one.AuthorizationType, 'NONE');
    return [one.RouteKey, goesTo(one.Target)];
  }));

  const id = (name: string) => new RegExp(`^Functions${name.replaceAll('-', '')}Live`);
  for (const route of ROUTES) {
    assert.match(routes[`${route.method} ${route.path}`], id(route.function));
  }
  assert.match(routes.$default, id('sync-lambda'));
  assert.equal(Object.keys(routes).length, ROUTES.length + 1);
});

test('there is neither authorizer nor REST API, and whoever keeps records verifies tokens', () => {
  const made = template({ ...HTTP, blocked: '0123456789abcdef', googleAzp: 'ios.example' });
  const variables = Object.fromEntries(all(made, 'AWS::Lambda::Function')
    .map(({ Properties: one }) => [one.FunctionName.slice('haumana-'.length), one.Environment.Variables]));

  made.resourceCountIs('AWS::ApiGateway::RestApi', 0);
  assert.ok(!('google-token-authorizer' in variables));
  for (const name of RECORDS) {
    assert.equal(variables[name].HAUMANA_VERIFY, 'true', name);
    assert.equal(variables[name].HAUMANA_GOOGLE_CLIENT_IDS, 'app.example,web.example', name);
    assert.equal(variables[name].HAUMANA_GOOGLE_AZP, 'ios.example', name);
    assert.equal(variables[name].HAUMANA_BLOCKED, '0123456789abcdef', name);
    assert.equal(variables[name].HAUMANA_BINARY_REPLIES, 'true', name);
  }
  assert.equal(variables['auth-sync-lambda'].HAUMANA_VERIFY, undefined);
});

test('behind a REST API no function verifies a token, or two would decide who is asking', () => {
  for (const context of [{}, { existingApiId: 'abc123' }] as Context[]) {
    for (const { Properties: one } of all(template(context), 'AWS::Lambda::Function')) {
      assert.equal(one.Environment.Variables.HAUMANA_VERIFY, undefined, one.FunctionName);
    }
  }
});

test('its address has no stage, its stage throttles, and signing in gets a fifth', () => {
  const made = template({ ...HTTP, requestsPerSecond: '40' });

  made.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
    StageName: '$default',
    AutoDeploy: true,
    DefaultRouteSettings: { ThrottlingRateLimit: 40, ThrottlingBurstLimit: 80 },
    RouteSettings: { 'POST /auth/sync': { ThrottlingRateLimit: 8, ThrottlingBurstLimit: 16 } },
  });
  made.hasOutput('ApiUrl', { Value: { 'Fn::Join': ['', [{ 'Fn::GetAtt': [Match.stringLikeRegexp('^HttpApi'), 'ApiEndpoint'] }, '/']] } });
});

test('only this API may call the functions, and what callers get of them', () => {
  const permissions = all(template(HTTP), 'AWS::Lambda::Permission').map(({ Properties }) => Properties);

  assert.equal(permissions.length, new Set(ROUTES.map((route) => route.function)).size);
  for (const one of permissions) {
    assert.equal(one.Principal, 'apigateway.amazonaws.com');
    assert.match(one.FunctionName.Ref, /Live/);
    assert.match(JSON.stringify(one.SourceArn), /execute-api.*HttpApi.*\/\*\/\*/);
  }
});

test('the same alarms watch it', () => {
  const names = (context: Context) => all(template(context), 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.AlarmName).sort();

  assert.deepEqual(names(HTTP), names({}));
  template(HTTP).hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmName: 'haumana-server-errors', Namespace: 'AWS/ApiGateway', MetricName: '5xx', Statistic: 'Average',
    Dimensions: [{ Name: 'ApiId', Value: { Ref: Match.stringLikeRegexp('^HttpApi') } }],
  });
});

test('its alarms ring for what the functions themselves say of tokens', () => {
  const resources = template(HTTP).toJSON().Resources;
  const PIECES = 'sync-pieces-lambda';
  const rung = (...lines: [string, string, number][]) => ringing(resources, { lines, ring: [] });

  assert.deepEqual(rung([PIECES, 'served call', 3]), []);
  assert.deepEqual(rung([PIECES, 'refused call', 2], [PIECES, 'served call', 1]), ['refusals']);
  assert.deepEqual(rung([PIECES, 'refused call', 1], [PIECES, 'served call', 3]), []);
  assert.deepEqual(rung([PIECES, 'no keys at a sign-in', 1], [PIECES, 'failed call', 1]), ['failures', 'unverified']);
  assert.deepEqual(ringing(resources, { vended: [['AWS/ApiGateway', '5xx{ApiId=HttpApiHttp}', 1]], ring: [] }), [], 'another API');
});

test('what rings behind a REST API rings behind an HTTP API, too', () => {
  const resources = template(HTTP).toJSON().Resources;
  const isRest = ({ lines = [], vended = [] }: Situation) =>
    lines.some(([log]) => log === 'access' || log === AUTHORIZER) || vended.some(([namespace]) => namespace === 'AWS/ApiGateway');
  // There is no authorizer that could find a token good.
  const situations = Object.entries(SITUATIONS)
    .map(([name, one]): [string, Situation] => [name, { ...one, lines: one.lines?.filter(([, line]) => line !== 'good token') }])
    .filter(([, one]) => !isRest(one));

  for (const [name, situation] of situations) {
    assert.deepEqual(ringing(resources, situation), [...situation.ring].sort(), name);
  }
  const rung = new Set(situations.flatMap(([, { ring }]) => ring));
  assert.deepEqual([...rung].sort(), ['conflicts', 'crashes', 'failures', 'latency', 'limited', 'refusals', 'retries', 'throttles', 'unverified']);
});

test('cdk-nag finds nothing that is not explained, with a canary too', () => {
  for (const context of [HTTP, { canaryMinutes: '5' }, { ...HTTP, canaryMinutes: '10' }]) {
    check(stack({ accountConcurrency: '10', ...context }).app);
  }
});

test('what an HTTP API cannot have is refused', () => {
  const refusal = (context: Context) => {
    const needed = { googleClientIds: 'app.example', alertEmail: 'kumu@example.org' };
    try {
      readSettings(new App({ context: { ...needed, ...HTTP, ...context } }));
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };

  assert.equal(refusal({}), '');
  assert.match(refusal({ existingApiId: 'abc123' }), /an existing API stays what it is/);
  assert.match(refusal({ requestsPerAddress: '500' }), /no firewall for an HTTP API/);
  assert.match(refusal({ stage: 'dev' }), /has none in its address/);
  assert.match(refusal({ api: 'soap' }), /api must match/);
});

test('a new stack has an HTTP API, and beside an existing one there is none', () => {
  const kinds = (context: Context) => {
    const made = template({ ...context, api: '' });
    return ['AWS::ApiGatewayV2::Api', 'AWS::ApiGateway::RestApi'].map((type) => all(made, type).length);
  };

  assert.deepEqual(kinds({}), [1, 0]);
  assert.deepEqual(kinds({ existingApiId: 'abc123' }), [0, 0]);
  for (const { Properties: one } of all(template({ existingApiId: 'abc123', api: '' }), 'AWS::Lambda::Function')) {
    assert.equal(one.Environment.Variables.HAUMANA_VERIFY, undefined, 'the authorizer decides there');
  }
});

test('a canary watches the alarms that one bad version makes ring, and none is made unless it is asked for', () => {
  const groups = (context: Context) => all(template(context), 'AWS::CodeDeploy::DeploymentGroup').map(({ Properties }) => Properties);

  assert.equal(groups({}).length, 0);
  for (const context of [{ canaryMinutes: '5' }, { ...HTTP, canaryMinutes: '5' }] as Context[]) {
    const functions = all(template(context), 'AWS::Lambda::Alias');
    assert.equal(groups(context).length, functions.length);
    assert.ok(functions.every((one: any) => one.UpdatePolicy?.CodeDeployLambdaAliasUpdate !== undefined));
    for (const group of groups(context)) {
      assert.equal(group.DeploymentConfigName, 'CodeDeployDefault.LambdaCanary10Percent5Minutes');
      assert.equal(group.AlarmConfiguration.Alarms.length, 3);
      assert.equal(group.AutoRollbackConfiguration.Enabled, true);
    }
  }
});

test('callers get a version of each function, and earlier versions stay', () => {
  for (const context of [{}, HTTP, { existingApiId: 'abc123' }] as Context[]) {
    const made = template(context);
    const versions = made.findResources('AWS::Lambda::Version') as Record<string, any>;
    const aliases = all(made, 'AWS::Lambda::Alias').map(({ Properties }) => Properties);
    const functions = Object.keys(made.findResources('AWS::Lambda::Function'));

    assert.equal(aliases.length, functions.length);
    assert.equal(Object.keys(versions).length, functions.length);
    for (const one of Object.values(versions)) {
      assert.deepEqual([one.DeletionPolicy, one.UpdateReplacePolicy], ['Retain', 'Retain']);
    }
    for (const alias of aliases) {
      assert.equal(alias.Name, LIVE);
      const [version] = alias.FunctionVersion['Fn::GetAtt'];
      assert.equal(versions[version].Properties.FunctionName.Ref, alias.FunctionName.Ref);
    }
    // No caller reaches an unpublished version.
    for (const { Properties: one } of all(made, 'AWS::Lambda::Permission')) {
      assert.match(one.FunctionName.Ref, /Live/, JSON.stringify(one.SourceArn));
    }
  }
});
