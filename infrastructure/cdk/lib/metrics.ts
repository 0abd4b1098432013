/** The metrics that the stack has for itself: the functions write them into their logs. */

import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Duration } from 'aws-cdk-lib';
import { Settings } from './settings';

/**
 * What the functions write in the embedded metric format; what each is stands in
 * `haumana-lambda/src/metrics.rs`, and a test there holds this list against it. None says anything of
 * anyone.
 */
export const WRITTEN = [
  'Failed', 'Refused', 'Limited', 'Ms', 'Conflicts', 'Pushed', 'Pulled', 'Retries',
] as const;
export type Name = typeof WRITTEN[number];

/**
 * What the stack counts in logs itself. `Crashed`: invocations that ended without an answer, and
 * functions that cannot start. `Unverified`: calls that were refused because no token could be verified.
 */
export type Counted = 'Crashed' | 'Unverified';

/** What is looked at of the values of a period. */
export type Statistic = 'Sum' | 'Average' | 'SampleCount' | 'p99';

/**
 * Where the metrics of a stack stand. They have no dimension: CloudWatch bills each combination of
 * name and dimensions as a metric of its own. So two stacks of one account differ in the namespace.
 */
export function namespaceOf(settings: Settings): string {
  return `Haumana/${settings.prefix}`;
}

/** One metric. */
export function metric(
  settings: Settings, name: Name | Counted, statistic: Statistic, period: Duration,
): cloudwatch.Metric {
  return new cloudwatch.Metric({ namespace: namespaceOf(settings), metricName: name, statistic, period });
}
