/** A deployment that lacks a setting of the last one is refused. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { forgotten, lastGiven } from '../lib/guard';
import { HOME } from '../lib/routes';
import { template } from './support';

const MOVED = { api: 'rest', googleClientIds: 'app.example', existingApiId: 'abc123', existingUserPoolId: 'us-west-2_Abc' };

test('a generation is never lowered, whether it is left out or given', () => {
  const wanted = ['the generation was 2 and is never lowered: -c generation=2'];
  const api = 'rest';

  assert.deepEqual(forgotten({ api, generation: '2' }, { api }, []), wanted);
  assert.deepEqual(forgotten({ api, generation: '2' }, { api, generation: '1' }, ['generation']), wanted);
  for (const next of ['2', '3']) {
    assert.deepEqual(forgotten({ api, generation: '2' }, { api, generation: next }, []), []);
  }
  assert.deepEqual(forgotten({}, { generation: '1' }, []), []);
});

test('what the last deployment was told and this one is not is named with what helps', () => {
  const now = { api: 'rest', googleClientIds: 'app.example', existingUserPoolId: 'us-west-2_Abc' };

  const found = forgotten(MOVED, now, []);

  assert.deepEqual(found, ['existingApiId was abc123 and is not given: -c existingApiId=abc123, or -c forget=existingApiId']);
  assert.deepEqual(forgotten(MOVED, now, ['existingApiId']), []);
});

test('another API or other users are refused, and other numbers are not', () => {
  const now = { ...MOVED, existingApiId: 'other', retentionDays: '30' };

  assert.deepEqual(forgotten({ ...MOVED, retentionDays: '90' }, now, []),
    ['existingApiId was abc123 and is other: -c existingApiId=abc123, or if that is meant, -c forget=existingApiId']);
});

test('a stack keeps its kind of API, also one that was deployed when there was another standard', () => {
  const given = (context: Record<string, string>) => template({ ...context, api: '' }).toJSON().Metadata['haumana:settings'];
  const { api, ...older } = given({});
  const refusal = ['api was rest and is http: -c api=rest, or if that is meant, -c forget=api'];

  assert.equal(api, 'http', 'it is kept though nobody has given it');
  assert.deepEqual(forgotten(given({}), given({}), []), []);
  assert.deepEqual(forgotten(older, given({}), []), refusal);
  assert.deepEqual(forgotten(older, given({}), ['api']), []);
  assert.deepEqual(forgotten(older, { ...older, api: 'rest' }, []), []);
  assert.deepEqual(forgotten({}, given({}), []), [], 'a first deployment');
  const moved = given({ existingApiId: 'abc123' });
  assert.deepEqual(forgotten({ ...older, existingApiId: 'abc123' }, moved, []), []);
});

test('where the programs stand is nobody\'s business the next time', () => {
  assert.deepEqual(forgotten({ ...MOVED, binaries: '/home/kai', forget: 'x' }, MOVED, []), []);
});

test('the last deployment is read from its template', () => {
  const last = template({ existingApiId: 'abc123', generation: '3', callerKey: 'a-key-of-an-operator' }).toJSON();
  const asked: string[] = [];
  const run = (program: string, words: string[]) => {
    asked.push([program, ...words].join(' '));
    return JSON.stringify(last.Metadata);
  };

  const given = lastGiven('haumana-sync', run);

  assert.match(asked[0] ?? '', /^aws cloudformation get-template --stack-name haumana-sync --query TemplateBody.Metadata/);
  assert.deepEqual([given.existingApiId, given.generation], ['abc123', '3']);
  assert.equal(given.callerKey, '(not shown)');
  assert.equal(JSON.stringify(last.Metadata).includes('a-key-of'), false);
});

test('a first deployment forgets nothing, and one that cannot look is refused', () => {
  const fails = (stderr: string) => () => { throw Object.assign(new Error('failed'), { stderr }); };

  assert.deepEqual(lastGiven('x', fails('Stack with id x does not exist')), {});
  assert.deepEqual(lastGiven('x', () => 'null\n'), {});
  assert.deepEqual(lastGiven('x', () => JSON.stringify({ other: 1 })), {});
  assert.throws(() => lastGiven('x', fails('AccessDenied')), /cannot be seen.*AccessDenied.*unguarded=true/);
});

/** Runs the app as the CDK's command line does; returns the messages on its stack. */
function app(context: Record<string, string>, variables: Record<string, string> = {}): string[] {
  const outdir = mkdtempSync(path.join(tmpdir(), 'haumana-'));
  execFileSync('node', ['out/app.js'], {
    cwd: HOME, stdio: 'pipe',
    env: { PATH: process.env.PATH, CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: JSON.stringify(context), ...variables },
  });
  const manifest = JSON.parse(readFileSync(path.join(outdir, 'manifest.json'), 'utf8'));
  const file = manifest.artifacts.Haumana.additionalMetadataFile;
  const messages = file === undefined ? manifest.artifacts.Haumana.metadata ?? {}
    : JSON.parse(readFileSync(path.join(outdir, file), 'utf8'));
  return Object.values(messages as Record<string, any[]>).flat()
    .filter((one) => one.type === 'aws:cdk:error').map((one) => String(one.data));
}

test('without settings the app ends well, so that bootstrap works, and an error stops a deployment', () => {
  const errors = app({});

  assert.equal(errors.length, 1);
  assert.match(errors[0] ?? '', /googleClientIds is missing[^]*alertEmail is missing/);
});

test('with credentials the app looks at the last deployment, and without it does not', () => {
  const given = { googleClientIds: 'app.example', alertEmail: 'kumu@example.org' };
  // There is no `aws` on this path.
  const nowhere = { CDK_DEFAULT_ACCOUNT: '123456789012', PATH: path.dirname(process.execPath) };

  assert.deepEqual(app(given), []);
  assert.match(app(given, nowhere)[0] ?? '', /what was deployed last cannot be seen/);
  assert.deepEqual(app({ ...given, unguarded: 'true' }, nowhere), []);
});
