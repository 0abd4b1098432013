/** The functions can do what they do, and no more. */

import { Match, Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { BINARIES } from '../lib/functions';
import { HOME } from '../lib/routes';
import { all, stack, template } from './support';

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
    ...of([...KEEP, ...DELETE], ...RECORDS), ...INDEXES, ...HISTORY, ...log('sync-lambda'),
    'cognito-idp:AdminDeleteUser on Users',
  ];

  assert.deepEqual(allowed('sync-lambda'), wanted.sort());
});

test('the function that erases may do all that the store does', () => {
  const source = path.join(HOME, '../../haumana-store-dynamo/src');
  // An operator makes tables and scans them, with rights of their own.
  const operator = ['tables.rs', 'operate.rs'];
  const files = readdirSync(source).filter((file) => file.endsWith('.rs') && !operator.includes(file));
  const calls = files.flatMap((file) =>
    [...readFileSync(path.join(source, file), 'utf8').matchAll(/\bclient\s*\.([a-z_]+)\(\)/g)]);
  const pascal = (name = '') => name.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase());
  const used = new Set(calls.map(([, name]) => pascal(name)));
  // What a transaction consists of is not said by the call.
  const parts = ['PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'];
  const needed = [...used].flatMap((name) => (name === 'TransactWriteItems' ? parts : [name]));

  const may = allowed('sync-lambda').map((one) => /^dynamodb:(\w+)/.exec(one)?.[1]);

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
  const common = { AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true', HAUMANA_LOG: 'info' };
  const answers = { ...common, HAUMANA_CORS_ORIGINS: 'https://a.example', HAUMANA_BINARY_REPLIES: 'true' };
  const store = { HAUMANA_TABLE_PREFIX: 'haumana-', HAUMANA_GENERATION: '3', HAUMANA_RETENTION_DAYS: '90' };
  const google = { HAUMANA_GOOGLE_CLIENT_IDS: 'app.example,web.example', HAUMANA_GOOGLE_AZP: 'app.example' };
  const pool = { HAUMANA_USER_POOL_ID: { Ref: Match.stringLikeRegexp('^Users') } };
  const made = template({ generation: '3', corsOrigins: 'https://a.example', googleAzp: 'app.example' });

  const wanted: Record<string, object> = {
    'sync-pieces-lambda': { ...answers, ...store },
    'sync-sessions-lambda': { ...answers, ...store },
    'sync-lambda': { ...answers, ...store, ...pool },
    'auth-sync-lambda': { ...answers, ...google, ...pool },
    'google-token-authorizer': { ...common, ...google },
  };

  assert.deepEqual(Object.keys(wanted).sort(), Object.keys(BINARIES).sort());
  for (const [binary, variables] of Object.entries(wanted)) {
    made.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: `haumana-${binary}`,
      Runtime: 'provided.al2023',
      Handler: 'bootstrap',
      Architectures: ['arm64'],
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
  const keep = ['sync-pieces-lambda', 'sync-sessions-lambda', 'sync-lambda'];

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
