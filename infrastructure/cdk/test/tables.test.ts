/** The tables are what the store needs, and they stay. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { HOME } from '../lib/routes';
import { all, Context, template } from './support';

const TABLE = 'AWS::DynamoDB::Table';
/** Printed from `schema.rs`, which has a test for that. */
const WANTED = path.join(HOME, '../../haumana-store-dynamo/tables.json');

/** The template's tables in the words of `CreateTable`. */
function tables(context: Context = {}) {
  return all(template(context), TABLE).map(({ Properties }) => Properties);
}

/** Only what `tables.json` mentions, in a fixed order. */
function essence(table: Record<string, unknown>) {
  const names = [
    'TableName', 'BillingMode', 'KeySchema', 'AttributeDefinitions', 'LocalSecondaryIndexes',
    'GlobalSecondaryIndexes', 'TimeToLiveSpecification',
  ];
  return Object.fromEntries(names.map((name) => [name, table[name]]));
}

test('the tables are those of schema.rs', () => {
  const wanted = JSON.parse(readFileSync(WANTED, 'utf8')).Tables;

  const made = tables();

  const byName = (one: any, other: any) => String(one.TableName).localeCompare(other.TableName);
  assert.deepEqual(made.map(essence).sort(byName), wanted.map(essence).sort(byName));
});

test('every table can be restored to any second and cannot be deleted by accident', () => {
  for (const table of all(template(), TABLE)) {
    assert.equal(table.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled, true);
    assert.equal(table.Properties.DeletionProtectionEnabled, true);
    assert.equal(table.DeletionPolicy, 'Retain');
    assert.equal(table.UpdateReplacePolicy, 'Retain');
  }
});

test('a trial stack takes its tables along', () => {
  for (const table of all(template({ keepData: 'false' }), TABLE)) {
    assert.equal(table.Properties.DeletionProtectionEnabled, false);
    assert.equal(table.DeletionPolicy, 'Delete');
  }
});

test('two prefixes share no name', () => {
  const named = (prefix: string) => {
    const resources = template({ prefix }).toJSON().Resources as Record<string, any>;
    return Object.values(resources).flatMap(({ Properties: made }) =>
      ['TableName', 'FunctionName', 'LogGroupName', 'AlarmName', 'TopicName', 'UserPoolName', 'DashboardName']
        .map((name) => made?.[name]).concat(made?.Budget?.BudgetName)
        .filter((name) => typeof name === 'string'));
  };

  const [one, other] = [named('haumana'), named('trial')];

  assert.equal(one.length, other.length);
  assert.ok(20 < one.length, 'the names are where this test looks');
  assert.deepEqual(one.filter((name) => other.includes(name)), []);
});
