/** The API has every call of the document, and no call works without a token. */

import { Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { TOKEN_FORM, VERDICT_MINUTES } from '../lib/api';
import { HOME, ROUTES } from '../lib/routes';
import { all, template } from './support';

const document = JSON.parse(readFileSync(path.join(HOME, '../../openapi.json'), 'utf8'));
/** Calls that the local server has in another way, or not at all. */
const ONLY_HERE = ['POST /auth/sync open', 'POST /users/{me}/import token'];
/**
 * A connection that stays open would keep a function busy. Devices that follow ask from time to
 * time instead.
 */
const NOT_HERE = ['GET /live token'];

test('every documented call has a route, and asks for a token where the document does', () => {
  const documented = Object.entries(document.paths).flatMap(([address, calls]) =>
    Object.entries(calls as Record<string, any>).map(([method, call]) =>
      `${method.toUpperCase()} ${address} ${0 < (call.security ?? []).length ? 'token' : 'open'}`));
  const routed = ROUTES.map((one) => `${one.method} ${one.path} ${one.token ? 'token' : 'open'}`);

  assert.deepEqual(documented.filter((call) => !routed.includes(call)), NOT_HERE);
  assert.deepEqual(routed.filter((call) => !documented.includes(call) && !ONLY_HERE.includes(call)), []);
});

test('every route is a method behind its function, with the authorizer unless it is open', () => {
  const made = template();
  const methods = all(made, 'AWS::ApiGateway::Method').map(({ Properties: method }) => method);

  assert.equal(methods.length, ROUTES.length);
  const open = methods.filter((method) => method.AuthorizationType === 'NONE');
  assert.equal(open.length, ROUTES.filter((route) => !route.token).length);
  for (const method of methods) {
    assert.equal(method.Integration.Type, 'AWS_PROXY');
    assert.ok(method.AuthorizationType === 'NONE' || method.AuthorizerId !== undefined);
  }
});

test('the authorizer sees only what looks like a token, and its verdict lasts five minutes', () => {
  template().hasResourceProperties('AWS::ApiGateway::Authorizer', {
    Type: 'TOKEN',
    IdentitySource: 'method.request.header.Authorization',
    IdentityValidationExpression: TOKEN_FORM,
    AuthorizerResultTtlInSeconds: 300,
  });
  const form = new RegExp(TOKEN_FORM);
  const good = 'Bearer eyJh.eyJz-_.c2ln';
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
    assert.ok(form.test(good.replace('Bearer', scheme)), scheme);
  }
  for (const bad of ['', 'Bearer ', 'Bearer a.b', 'Bearer a.b.c.d', 'Basic a.b.c', 'Bearer  a.b.c', `${good}=`, `${good} `, 'Bearer a.b+.c']) {
    assert.ok(!form.test(bad), bad);
  }
});

test('an existing API gets the same authorizer', () => {
  const script = readFileSync(path.join(HOME, '../move/move.py'), 'utf8');

  assert.ok(script.includes(`TOKEN_FORM = r"${TOKEN_FORM}"`));
  assert.ok(script.includes(`VERDICT_SECS = ${60 * VERDICT_MINUTES}\n`));
});

test('the access log has no token, no user, no address and no path as it was sent', () => {
  const [stage] = all(template(), 'AWS::ApiGateway::Stage');
  const format: string = stage?.Properties.AccessLogSetting.Format;

  const used = [...format.matchAll(/\$context\.[\w.]+/g)].map(([name]) => name).sort();

  assert.deepEqual(used, [
    '$context.authorizer.caller', '$context.error.responseType', '$context.httpMethod', '$context.integration.latency',
    '$context.integration.requestId', '$context.requestId', '$context.requestTime', '$context.resourcePath',
    '$context.responseLatency', '$context.responseLength', '$context.status',
  ]);
  for (const setting of stage?.Properties.MethodSettings) {
    assert.equal(setting.DataTraceEnabled, false);
    assert.equal(setting.LoggingLevel, 'OFF');
  }
});

test('the stage lets through what was chosen, and less of what needs no token', () => {
  const setting = (ResourcePath: string, rate: number) => Match.objectLike({
    ResourcePath, ThrottlingRateLimit: rate, ThrottlingBurstLimit: 2 * rate,
  });
  template({ requestsPerSecond: '40' }).hasResourceProperties('AWS::ApiGateway::Stage', {
    MethodSettings: Match.arrayWith([setting('/*', 40), setting('/~1auth~1sync', 8)]),
  });
});

test('the access log calls who asks by the hash that the authorizer made', () => {
  const [stage] = all(template(), 'AWS::ApiGateway::Stage');

  assert.equal(JSON.parse(stage?.Properties.AccessLogSetting.Format).caller, '$context.authorizer.caller');
});

test('one address can be limited, or not, which is usual', () => {
  template().resourceCountIs('AWS::WAFv2::WebACL', 0);
  template({ requestsPerAddress: '500' }).hasResourceProperties('AWS::WAFv2::WebACL', {
    Rules: [Match.objectLike({
      Action: { Block: {} },
      Statement: { RateBasedStatement: { Limit: 500, AggregateKeyType: 'IP', EvaluationWindowSec: 300 } },
      VisibilityConfig: Match.objectLike({ SampledRequestsEnabled: false }),
    })],
  });
  template({ requestsPerAddress: '0' }).resourceCountIs('AWS::WAFv2::WebACL', 0);
});

test('what API Gateway says by itself looks as what the functions say', () => {
  const said = all(template({ corsOrigins: 'https://a.example' }), 'AWS::ApiGateway::GatewayResponse');
  const codes: Record<string, string> = Object.fromEntries(said.map(({ Properties: one }) => {
    const body = JSON.parse(one.ResponseTemplates['application/json']);
    assert.deepEqual(Object.keys(body), ['error', 'code']);
    assert.ok(one.ResponseParameters['gatewayresponse.header.Access-Control-Allow-Origin']);
    return [one.ResponseType, `${one.StatusCode ?? ''} ${body.code}`];
  }));

  assert.equal(codes.UNAUTHORIZED, '401 unauthorized');
  assert.equal(codes.ACCESS_DENIED, '403 forbidden');
  assert.equal(codes.MISSING_AUTHENTICATION_TOKEN, '404 not_found');
  assert.equal(codes.REQUEST_TOO_LARGE, '413 payload_too_large');
  assert.equal(codes.THROTTLED, '429 too_many_requests');
  assert.equal(codes.WAF_FILTERED, '429 too_many_requests');
  assert.equal(codes.AUTHORIZER_FAILURE, '503 unavailable');
  assert.equal(codes.DEFAULT_4XX, ' invalid_request');
  assert.equal(codes.DEFAULT_5XX, ' internal');
  const documented = JSON.stringify(document);
  for (const code of Object.values(codes)) {
    const [, word] = code.split(' ');
    assert.ok(word === 'too_many_requests' || documented.includes(`"${word}"`), `${word} is documented`);
  }
});

test('browsers are answered only where the operator lists their origin', () => {
  const preflights = (corsOrigins: string) => all(template({ corsOrigins }), 'AWS::ApiGateway::Method')
    .filter(({ Properties }) => Properties.HttpMethod === 'OPTIONS').length;

  assert.equal(preflights(''), 0);
  assert.equal(preflights('https://a.example'), new Set(ROUTES.map((route) => route.path)).size);
});

test('bodies reach the functions byte for byte', () => {
  template().hasResourceProperties('AWS::ApiGateway::RestApi', {
    Name: 'haumana-api',
    BinaryMediaTypes: ['*/*'],
    EndpointConfiguration: { Types: ['REGIONAL'] },
  });
});

test('beside an existing API the stack makes no API, and lets that one call each function for its own calls', () => {
  const made = template({ existingApiId: 'abc123' });

  made.resourcePropertiesCountIs('AWS::ApiGateway::RestApi', {}, 0);
  made.resourcePropertiesCountIs('AWS::ApiGateway::Method', {}, 0);
  const sources = all(made, 'AWS::Lambda::Permission')
    .map(({ Properties }) => Properties.SourceArn['Fn::Join'][1].at(-1)).sort();
  assert.ok(sources.includes(':abc123/*/POST/pieces'));
  assert.ok(sources.includes(':abc123/*/GET/users/*/export'));
  assert.ok(sources.includes(':abc123/authorizers/*'));
  assert.ok(sources.includes(':abc123/*/DELETE/users/*'));
  assert.equal(sources.length, ROUTES.length + 1);
});
