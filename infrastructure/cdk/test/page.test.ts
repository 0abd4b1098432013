/** The page on S3 and CloudFront exists if it is asked for, and equals that of the local server. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { bill, total } from '../lib/bill';
import { WRITTEN } from '../lib/metrics';
import { policy } from '../lib/page';
import { HOME } from '../lib/routes';
import { all, check, stack, template } from './support';

const ON = { pageClientId: 'web.example' };
const FILES = path.join(HOME, '../../haumana-web/page');
const only = (type: string) => {
  const found = all(template(ON), type);
  assert.equal(found.length, 1, type);
  return found[0]!.Properties;
};

test('without a client id there is nothing of it', () => {
  const types = Object.values(template().toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);

  assert.deepEqual(types.filter((type) => /CloudFront|S3/.test(type)), []);
  const functions = all(template(), 'AWS::Lambda::Function').map(({ Properties }) => Properties.Environment.Variables);
  assert.ok(functions.every((variables) => variables.HAUMANA_CORS_ORIGINS === undefined));
});

test('with one it costs nothing while nobody opens it', () => {
  const json = template(ON).toJSON();

  assert.ok(total(bill(json as any, WRITTEN, { users: 0, years: 0 })) <= 0.05);
});

test('only CloudFront reads the bucket, and only over TLS', () => {
  const bucket = only('AWS::S3::Bucket');
  const statements = only('AWS::S3::BucketPolicy').PolicyDocument.Statement;

  assert.deepEqual(Object.values(bucket.PublicAccessBlockConfiguration), [true, true, true, true]);
  const allowed = statements.filter((one: any) => one.Effect === 'Allow');
  assert.equal(allowed.length, 1);
  assert.deepEqual([allowed[0].Action, allowed[0].Principal], ['s3:GetObject', { Service: 'cloudfront.amazonaws.com' }]);
  assert.ok(allowed[0].Condition.StringEquals['AWS:SourceArn'], 'of this distribution');
  assert.ok(statements.some((one: any) => one.Effect === 'Deny' && one.Condition.Bool['aws:SecureTransport'] === 'false'));
  const [origin] = only('AWS::CloudFront::Distribution').DistributionConfig.Origins;
  assert.ok(origin.OriginAccessControlId !== undefined);
  assert.equal(only('AWS::CloudFront::OriginAccessControl').OriginAccessControlConfig.SigningBehavior, 'always');
});

test('people get it over HTTPS, compressed, from the root', () => {
  const config = only('AWS::CloudFront::Distribution').DistributionConfig;

  assert.equal(config.DefaultCacheBehavior.ViewerProtocolPolicy, 'redirect-to-https');
  assert.equal(config.DefaultCacheBehavior.Compress, true);
  assert.deepEqual(config.DefaultCacheBehavior.AllowedMethods, ['GET', 'HEAD']);
  assert.equal(config.DefaultRootObject, 'index.html');
  assert.ok(config.DefaultCacheBehavior.ResponseHeadersPolicyId !== undefined);
});

test('its headers are those of the local server, and it may call this API besides', () => {
  const sent = only('AWS::CloudFront::ResponseHeadersPolicy').ResponseHeadersPolicyConfig.SecurityHeadersConfig;
  const parts: (string | { Ref: string })[] = sent.ContentSecurityPolicy.ContentSecurityPolicy['Fn::Join'][1];
  const said = parts.map((part) => (typeof part === 'string' ? part : part.Ref.replace(/^ApiRest\w+$/, 'API'))).join('');

  assert.ok(said.includes("connect-src 'self' https://accounts.google.com/gsi/ https://API.execute-api.AWS::Region.AWS::URLSuffix; "), said);
  const { policy: local, google } = JSON.parse(readFileSync(path.join(FILES, 'headers.json'), 'utf8'));
  for (const [directive, sources] of Object.entries(local)) {
    assert.ok(said.includes(`${directive} ${sources}`), directive);
  }
  for (const [directive, source] of Object.entries(google)) {
    assert.ok(policy('https://api.example').match(new RegExp(`(^|; )${directive} [^;]*${source}( |;|$)`)), directive);
  }
  assert.ok(policy('https://api.example').includes("connect-src 'self' https://accounts.google.com/gsi/ https://api.example;"));
  assert.ok(!policy('').includes('unsafe-inline'));
  assert.equal(sent.ContentTypeOptions.Override, true);
  assert.equal(sent.ReferrerPolicy.ReferrerPolicy, 'strict-origin');
  assert.ok(31_536_000 <= sent.StrictTransportSecurity.AccessControlMaxAgeSec);
});

test('the API lets the page call, and others as before', () => {
  const made = template({ ...ON, corsOrigins: 'https://a.example' });
  const calls = all(made, 'AWS::Lambda::Function').filter(({ Properties }) => Properties.Environment.Variables.HAUMANA_TABLE_PREFIX);

  assert.ok(0 < calls.length);
  for (const { Properties } of calls) {
    const [first, domain] = Properties.Environment.Variables.HAUMANA_CORS_ORIGINS['Fn::Join'][1];
    assert.equal(first, 'https://a.example,https://');
    assert.equal(domain['Fn::GetAtt'][1], 'DomainName');
  }
  const preflights = all(template(ON), 'AWS::ApiGateway::Method').filter(({ Properties }) => Properties.HttpMethod === 'OPTIONS');
  assert.ok(0 < preflights.length);
});

test('cdk-nag has nothing to say', () => {
  check(stack(ON).app);
});

test('a page whose tokens nobody takes is refused, and one beside an existing API', () => {
  assert.throws(() => stack({ pageClientId: 'other.example' }), /pageClientId must be one of googleClientIds/);
  assert.throws(() => stack({ ...ON, existingApiId: 'abc123' }), /pageClientId: the page calls the API of this stack/);
});

/** Answers like AWS for this stack, logs its arguments, and keeps a copy of `config.json`. */
const AWS = `#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
case $* in
  *PageBucket*) echo "$BUCKET" ;;
  *ApiUrl*) echo https://abc123.execute-api.us-west-2.amazonaws.com/prod/ ;;
  *PageClientId*) echo web.example ;;
  *PageDistribution*) echo E123 ;;
  *PageUrl*) echo https://d1.cloudfront.net/ ;;
  *s3://files/config.json*) cat "$3" > "$CALLS.config" ;;
esac
`;

function bring(bucket: string): { calls: string[]; config: string } {
  const home = mkdtempSync(path.join(tmpdir(), 'haumana-'));
  mkdirSync(path.join(home, 'bin'));
  writeFileSync(path.join(home, 'bin/aws'), AWS);
  chmodSync(path.join(home, 'bin/aws'), 0o755);
  const calls = path.join(home, 'calls');
  const env = { PATH: `${home}/bin:${process.env.PATH}`, CALLS: calls, BUCKET: bucket };
  execFileSync(path.join(HOME, '../page'), [], { env, stdio: 'pipe' });
  return { calls: readFileSync(calls, 'utf8').trim().split('\n'), config: readFileSync(`${calls}.config`, 'utf8') };
}

test('every file of the page is brought there, with its type, and the page after what it loads', () => {
  const { calls, config } = bring('files');

  assert.deepEqual(JSON.parse(config), { server: 'https://abc123.execute-api.us-west-2.amazonaws.com/prod', googleClientId: 'web.example' });
  const puts = calls.filter((call) => call.startsWith('s3 cp '));
  const names = puts.map((call) => call.match(/s3:\/\/files\/(\S+)/)![1]!);
  const apart = /\.d\.ts$|\.sha256$|\.br$|^headers\.json$/;
  assert.deepEqual([...names].sort(), readdirSync(FILES).filter((name) => !apart.test(name)).sort());
  assert.ok(puts.every((call) => call.includes('--cache-control no-cache') && call.includes('--content-type ')));
  const wasm = puts.find((call) => call.includes('/haumana_web_bg.wasm '))!;
  assert.match(wasm, /^s3 cp haumana_web_bg\.wasm\.br .*application\/wasm .*--content-encoding br$/);
  assert.equal(puts.filter((call) => call.includes('--content-encoding')).length, 1);
  assert.deepEqual(names.slice(-3), ['index.html', 'worker.js', 'bundle.js']);
  assert.ok(calls.some((call) => call.startsWith('cloudfront create-invalidation --distribution-id E123')));
});

test('a stack without a page is told so', () => {
  assert.throws(() => bring(''), /haumana-sync has no page/);
});
