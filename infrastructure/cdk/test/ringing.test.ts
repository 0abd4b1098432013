/**
 * Each alarm is tested: lines that the functions print in a fault go through the template's own
 * filters, statistics and comparisons. The lines are real: `haumana-lambda` prints `lines.json`,
 * and its tests check that.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logOf, ringing, SITUATIONS, wrongAlarms } from './situations';
import { all, template } from './support';

/** A copy of the template's resources. */
function resources(): Record<string, { Type: string; Properties: any }> {
  return structuredClone(template().toJSON().Resources);
}

for (const [name, situation] of Object.entries(SITUATIONS)) {
  test(`${name}: ${situation.ring.join(', ') || 'nothing'} rings`, () => {
    assert.deepEqual(ringing(resources(), situation), [...situation.ring].sort());
  });
}

test('every alarm rings in some situation', () => {
  const rung = new Set(Object.values(SITUATIONS).flatMap((situation) => situation.ring));
  const there = all(template(), 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.AlarmName.replace('haumana-', ''));

  assert.deepEqual([...rung].sort(), there.sort());
});

/** Ways in which an alarm is wrong although it looks right. */
const BROKEN: Record<string, (alarm: any) => void> = {
  'compares the wrong way': (alarm) => { alarm.ComparisonOperator = 'LessThanThreshold'; },
  'has its limit in another unit': (alarm) => { alarm.Threshold = alarm.Threshold * 1000 + 1000; },
  'is over a metric that is misspelt': (alarm) => { alarm.MetricName = `${alarm.MetricName}s`; },
  'is over a metric of another namespace': (alarm) => { alarm.Namespace = 'Haumana'; },
  'rings without data': (alarm) => { alarm.TreatMissingData = 'breaching'; },
  'is over a dimension that is never written': (alarm) => { alarm.Dimensions = [{ Name: 'Function', Value: 'all' }]; },
  'must be due for a day': (alarm) => { alarm.EvaluationPeriods = 288; alarm.DatapointsToAlarm = 288; },
};

for (const { Properties: { AlarmName: name } } of all(template(), 'AWS::CloudWatch::Alarm')) {
  for (const [how, change] of Object.entries(BROKEN)) {
    test(`it is noticed that ${name} ${how}`, () => {
      const made = resources();
      const alarm = Object.values(made).find((one) => one.Properties?.AlarmName === name)?.Properties;
      change(alarm);

      assert.notDeepEqual(wrongAlarms(made), []);
    });
  }
}

test('a filter for a reason that is never logged is noticed', () => {
  const filters = Object.keys(template().findResources('AWS::Logs::MetricFilter'));
  for (const id of filters) {
    const made = resources();
    const filter = made[id]?.Properties;
    filter.FilterPattern = '{ $.reason = "kyes" }';

    const log = logOf(made, filter);
    // The same filter on the logs of other functions is the same line of code.
    assert.ok(0 < wrongAlarms(made).length || ['sync-sessions-lambda', 'sync-lambda', 'auth-sync-lambda'].includes(log), log);
  }
});
