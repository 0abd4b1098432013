/** Each function has exactly the rights that it needs. */

import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { BINARIES } from '../lib/functions';
import { API_GATEWAY, DYNAMODB, LAMBDA } from '../lib/prices';
import { HOME } from '../lib/routes';
import { all, Context, stack, template } from './support';

/** `action on resource`, for every statement of the role of a binary. */
function allowed(binary: string): string[] {
  const made = template();
  const role = Object.keys(made.findResources('AWS::IAM::Role'))
    .find((id) => id.startsWith(`Functions${binary.replaceAll('-', '')}Role`));
  const policies = all(made, 'AWS::IAM::Policy')
    .filter((policy) => policy.Properties.Roles.some((one: any) => one.Ref === role));
  return policies.flatMap((policy) => policy.Properties.PolicyDocument.Statement)
    .flatMap(({ Action, Resource, Effect }: any) => {
      assert.equal(Effect, 'Allow');
      return [Action].flat().flatMap((action) => [Resource].flat().map((one) => `${action} on ${short(one)}`));
    })
    .sort();
}

/** `TablesPieces`, or `TablesPieces/index/by-revision`. */
function short(resource: any): string {
  const join = resource['Fn::Join'];
  const [arn, rest] = join === undefined ? [resource, ''] : [join[1][0], join[1][1]];
  return arn['Fn::GetAtt'][0].replace(/[0-9A-F]{8}$/, '') + rest;
}

const of = (actions: string[], ...resources: string[]) =>
  resources.flatMap((resource) => actions.map((action) => `dynamodb:${action} on ${resource}`));
const log = (binary: string) => ['CreateLogStream', 'PutLogEvents']
  .map((action) => `logs:${action} on Functions${binary.replaceAll('-', '')}Log`);

const READ = ['GetItem', 'BatchGetItem', 'Query'];
const KEEP = [...READ, 'PutItem', 'UpdateItem', 'ConditionCheckItem'];
const RECORDS = ['TablesPieces', 'TablesSessions'];
const INDEXES = of(['Query'], 'TablesPieces/index/by-revision', 'TablesSessions/index/by-revision');
const DELETE = ['DeleteItem', 'BatchWriteItem'];
const HISTORY = of([...KEEP, ...DELETE], 'TablesHistory');

test('a phone\'s sync can read and write records, and deletes only history', () => {
  for (const binary of ['sync-pieces-lambda', 'sync-sessions-lambda']) {
    const wanted = [...of(KEEP, ...RECORDS), ...INDEXES, ...HISTORY, ...log(binary)];

    assert.deepEqual(allowed(binary), wanted.sort());
  }
});

test('only the function that erases can delete records and users', () => {
  const wanted = [
    ...of([...KEEP, ...DELETE], ...RECORDS), ...INDEXES, ...HISTORY, ...log('account-lambda'),
    'cognito-idp:AdminDeleteUser on Users',
  ];

  assert.deepEqual(allowed('account-lambda'), wanted.sort());
});

test('a new client\'s sync can do what a phone\'s can, although it is the same program', () => {
  const wanted = [...of(KEEP, ...RECORDS), ...INDEXES, ...HISTORY, ...log('sync-lambda')];

  assert.deepEqual(allowed('sync-lambda'), wanted.sort());
  assert.equal(BINARIES['account-lambda']?.program, 'sync-lambda');
});

test('each function has invocations that nobody else can take, and leaves some to the account', () => {
  const reserved = (context: Context) => Object.fromEntries(
    all(template(context), 'AWS::Lambda::Function')
      .map(({ Properties: one }) => [one.FunctionName.slice('haumana-'.length), one.ReservedConcurrentExecutions]));

  const usual = reserved({ accountConcurrency: '1000' });
  const small = reserved({ accountConcurrency: '300' });
  const fresh = reserved({ accountConcurrency: '10' });

  assert.deepEqual(Object.keys(usual).sort(), Object.keys(BINARIES).sort());
  assert.equal(usual['google-token-authorizer'], 100, 'the authorizer too');
  assert.equal(usual['account-lambda'], 20, 'exports are few at once');
  for (const [context, most] of [[usual, 1000 - 100], [small, 300 - 100]] as const) {
    const values = Object.values(context) as number[];
    assert.ok(values.every((value) => 0 < value), JSON.stringify(context));
    assert.ok(values.reduce((one, other) => one + other) <= most, JSON.stringify(context));
  }
  assert.ok(Object.values(fresh).every((value) => value === undefined), 'a new account has too few');
  assert.ok(Object.values(reserved({ maxConcurrency: '7' })).every((value) => value === 7));
});

test('who does not say what the account may do at once is warned, and a strict deployment stops', () => {
  const warned = (context: Context) => Annotations.fromStack(stack(context).stack)
    .findWarning('*', Match.stringLikeRegexp('accountConcurrency')).length;

  assert.equal(warned({}), 1);
  assert.equal(warned({ accountConcurrency: '10' }), 0);
});

test('what one account may cost is told in millionths of a dollar, also beside an existing API', () => {
  const allowance = (context: Context) => all(template(context), 'AWS::Lambda::Function')
    .map(({ Properties: one }) => one.Environment.Variables.HAUMANA_ALLOWANCE)
    .filter((one) => one !== undefined);

  assert.deepEqual(allowance({}), Array(4).fill('1000000/100000'));
  assert.deepEqual(allowance({ existingApiId: 'abc123', allowance: '2.5/0.01' }), Array(4).fill('2500000/10000'));
  assert.deepEqual(allowance({ allowance: 'none' }), []);
});

test('the functions count a call as dear as the prices say', () => {
  const source = readFileSync(path.join(HOME, '../../haumana-lambda/src/function.rs'), 'utf8');
  const cost = (name: string) => Number(new RegExp(`const ${name}: f64 = ([\\d.]+);`).exec(source)?.[1]);

  assert.equal(cost('READ_COST'), DYNAMODB.readMillion);
  assert.equal(cost('WRITE_COST'), DYNAMODB.writeMillion);
  // 50 ms of half a GB.
  const call = (API_GATEWAY[0]?.million ?? 0) + LAMBDA.million + 0.05 * 0.5 * LAMBDA.gbSecond.x86_64 * 1e6;
  assert.ok(Math.abs(cost('CALL_COST') - call) < 0.1, `${call}`);
});

test('blocked callers are told to the authorizer alone, by hashes and never by names', () => {
  const made = template({ blocked: '0123456789abcdef,fedcba9876543210', callerKey: 'a-key-of-an-operator' });
  for (const { Properties: one } of all(made, 'AWS::Lambda::Function')) {
    const { HAUMANA_BLOCKED, HAUMANA_CALLER_KEY } = one.Environment.Variables;
    const isAuthorizer = one.FunctionName === 'haumana-google-token-authorizer';
    assert.equal(HAUMANA_BLOCKED, isAuthorizer ? '0123456789abcdef,fedcba9876543210' : undefined);
    assert.equal(HAUMANA_CALLER_KEY, 'a-key-of-an-operator');
  }
  assert.throws(() => stack({ blocked: 'kai@example.org' }), /blocked/);
  assert.throws(() => stack({ callerKey: 'short' }), /callerKey/);
});

test('without a key of the operator\'s the stack\'s own id makes one', () => {
  for (const { Properties: one } of all(template(), 'AWS::Lambda::Function')) {
    assert.deepEqual(one.Environment.Variables.HAUMANA_CALLER_KEY, {
      'Fn::Select': [2, { 'Fn::Split': ['/', { Ref: 'AWS::StackId' }] }],
    });
  }
});

test('the function that erases may do all that the store does', () => {
  const source = path.join(HOME, '../../haumana-store-dynamo/src');
  // Only an operator makes and scans tables, with other rights.
  const operator = ['tables.rs', 'operate.rs'];
  const files = readdirSync(source).filter((file) => file.endsWith('.rs') && !operator.includes(file));
  const calls = files.flatMap((file) =>
    [...readFileSync(path.join(source, file), 'utf8').matchAll(/\bclient\s*\.([a-z_]+)\(\)/g)]);
  const pascal = (name = '') => name.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase());
  const used = new Set(calls.map(([, name]) => pascal(name)));
  // The call does not say which parts a transaction has.
  const parts = ['PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'];
  const needed = [...used].flatMap((name) => (name === 'TransactWriteItems' ? parts : [name]));

  const may = allowed('account-lambda').map((one) => /^dynamodb:(\w+)/.exec(one)?.[1]);

  assert.ok(3 < used.size, `the calls are where this test looks: ${[...used]}`);
  for (const action of needed) {
    assert.ok(may.includes(action), `${action} is allowed`);
  }
});

test('signing in reaches the user directory and no table', () => {
  const users = ['AdminCreateUser', 'AdminGetUser', 'AdminUpdateUserAttributes'];
  const wanted = [...users.map((one) => `cognito-idp:${one} on Users`), ...log('auth-sync-lambda')];

  assert.deepEqual(allowed('auth-sync-lambda'), wanted.sort());
});

test('the authorizer can write its log and nothing else', () => {
  assert.deepEqual(allowed('google-token-authorizer'), log('google-token-authorizer').sort());
});

test('every binary has a function with exactly the variables that it reads', () => {
  const common = {
    AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true', HAUMANA_LOG: 'info', HAUMANA_METRICS: 'Haumana/haumana',
    HAUMANA_CALLER_KEY: 'a-key-of-an-operator',
  };
  const answers = { ...common, HAUMANA_CORS_ORIGINS: 'https://a.example', HAUMANA_BINARY_REPLIES: 'true' };
  const store = { HAUMANA_TABLE_PREFIX: 'haumana-', HAUMANA_GENERATION: '3', HAUMANA_RETENTION_DAYS: '90', HAUMANA_ALLOWANCE: '1000000/100000' };
  const google = { HAUMANA_GOOGLE_CLIENT_IDS: 'app.example,web.example', HAUMANA_GOOGLE_AZP: 'app.example' };
  const pool = { HAUMANA_USER_POOL_ID: { Ref: Match.stringLikeRegexp('^Users') } };
  const made = template({ generation: '3', corsOrigins: 'https://a.example', googleAzp: 'app.example', callerKey: 'a-key-of-an-operator' });

  const wanted: Record<string, object> = {
    'sync-pieces-lambda': { ...answers, ...store },
    'sync-sessions-lambda': { ...answers, ...store },
    'sync-lambda': { ...answers, ...store, ...pool },
    'account-lambda': { ...answers, ...store, ...pool },
    'auth-sync-lambda': { ...answers, ...google, ...pool },
    'google-token-authorizer': { ...common, ...google },
  };

  assert.deepEqual(Object.keys(wanted).sort(), Object.keys(BINARIES).sort());
  for (const [binary, variables] of Object.entries(wanted)) {
    made.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: `haumana-${binary}`,
      Runtime: 'provided.al2023',
      Handler: 'bootstrap',
      Architectures: ['x86_64'],
      Environment: { Variables: Match.exact(variables) },
    });
  }
});

test('no function outlives the patience of API Gateway', () => {
  for (const one of all(template(), 'AWS::Lambda::Function')) {
    assert.ok(one.Properties.Timeout < 29, `${one.Properties.FunctionName}`);
  }
});

test('a binary for another processor is refused before it is deployed', () => {
  const binaries = mkdtempSync(path.join(tmpdir(), 'haumana-'));
  mkdirSync(path.join(binaries, 'sync-lambda'));
  const elf = Buffer.alloc(64);
  elf.write('\x7fELF', 'latin1');
  elf.writeUInt16LE(0x3e, 18);
  writeFileSync(path.join(binaries, 'sync-lambda/bootstrap'), elf);

  assert.throws(() => stack({ binaries, processor: 'arm64' }), /sync-lambda was not built for arm64/);
  stack({ binaries, processor: 'x86_64' });
});

test('a schema file stands beside the functions that keep records', () => {
  const schema = '../../examples/recipes/recipes.toml';
  const made = template({ schema });
  const keep = ['sync-pieces-lambda', 'sync-sessions-lambda', 'sync-lambda', 'account-lambda'];

  assert.equal(all(made, 'AWS::Lambda::LayerVersion').length, 1);
  for (const one of all(made, 'AWS::Lambda::Function')) {
    const { FunctionName, Layers, Environment } = one.Properties;
    const keeps = keep.some((binary) => FunctionName === `haumana-${binary}`);
    assert.equal(Layers?.length, keeps ? 1 : undefined, FunctionName);
    assert.equal(Environment.Variables.HAUMANA_SCHEMA, keeps ? '/opt/recipes.toml' : undefined, FunctionName);
  }
  assert.equal(all(template(), 'AWS::Lambda::LayerVersion').length, 0);
});

test('the layer of a schema has that file and no other', () => {
  const { app, stack: made } = stack({ schema: '../../examples/recipes/recipes.toml' });
  const assembly = app.synth();

  const layer = all(Template.fromStack(made), 'AWS::Lambda::LayerVersion')[0];
  const asset = String(layer?.Properties.Content.S3Key).replace('.zip', '');
  assert.deepEqual(readdirSync(path.join(assembly.directory, `asset.${asset}`)), ['recipes.toml']);
});

test('a schema file that is not there or is no schema file is refused before anything is made', () => {
  assert.throws(() => stack({ schema: 'nowhere.toml' }), /schema: .*nowhere.toml is no file/);
  assert.throws(() => stack({ schema: '../../README.md' }), /schema must match/);
});
