/** Things that nobody notices until they are missing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BINARIES } from '../lib/functions';
import { all, Context, stack, template } from './support';

test('the stack cannot be deleted by accident, unless it is a trial', () => {
  assert.equal(stack().stack.terminationProtection, true);
  assert.equal(stack({ keepData: 'false' }).stack.terminationProtection, false);
});

test('a role is for the one service that needs it', () => {
  const contexts: Context[] = [{}, { existingApiId: 'abc123' }];
  for (const context of contexts) {
    for (const { Properties: role } of all(template(context), 'AWS::IAM::Role')) {
      const [statement, ...others] = role.AssumeRolePolicyDocument.Statement;
      assert.deepEqual(others, []);
      assert.equal(statement.Action, 'sts:AssumeRole');
      assert.ok(['lambda.amazonaws.com', 'apigateway.amazonaws.com'].includes(statement.Principal.Service),
        JSON.stringify(statement));
      assert.deepEqual(Object.keys(statement.Principal), ['Service']);
    }
  }
});

test('no policy names every resource, but the one that writes logs for all APIs of the region', () => {
  const statements = all(template(), 'AWS::IAM::Policy').flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
  assert.ok(5 < statements.length);
  for (const { Action, Resource } of statements) {
    assert.ok(![Resource].flat().includes('*'), JSON.stringify(Action));
    assert.ok(![Action].flat().some((one: string) => one.includes('*')), JSON.stringify(Action));
  }
});

test('functions have the memory and the time that were measured', () => {
  for (const { Properties: one } of all(template(), 'AWS::Lambda::Function')) {
    const needs = BINARIES[one.FunctionName.replace('haumana-', '')];
    assert.ok(256 <= one.MemorySize && 10 <= one.Timeout, one.FunctionName);
    assert.deepEqual([one.MemorySize, one.Timeout], [needs?.memoryMb, needs?.timeoutSecs]);
  }
});

test('what is billed says which stack it is of', () => {
  for (const type of ['AWS::Lambda::Function', 'AWS::DynamoDB::Table', 'AWS::Logs::LogGroup', 'AWS::ApiGateway::RestApi']) {
    for (const { Properties: one } of all(template({ prefix: 'trial' }), type)) {
      assert.ok(one.Tags.some((tag: any) => tag.Key === 'haumana:prefix' && tag.Value === 'trial'), type);
    }
  }
});

test('a new pool has the cheapest plan', () => {
  template().hasResourceProperties('AWS::Cognito::UserPool', { UserPoolTier: 'LITE' });
});
