/** The stack's own metrics. The functions write them into their logs. */

import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Duration } from 'aws-cdk-lib';
import { Settings } from './settings';

/**
 * The metrics that the functions write in the embedded metric format.
 * `haumana-lambda/src/metrics.rs` says what each is, and a test there compares this list with it.
 * None contains personal data.
 */
export const WRITTEN = [
  'Failed', 'Refused', 'Limited', 'Ms', 'Conflicts', 'Pushed', 'Pulled', 'Retries',
] as const;
export type Name = typeof WRITTEN[number];

/**
 * The metrics that the stack itself counts in logs. `Crashed`: invocations that ended without an
 * answer, and functions that cannot start. `Unverified`: calls that were refused because no token
 * could be verified.
 */
export type Counted = 'Crashed' | 'Unverified';

/** How the values of a period are combined. */
export type Statistic = 'Sum' | 'Average' | 'SampleCount' | 'p99';

/**
 * The namespace of a stack's metrics. They have no dimension, because CloudWatch bills each
 * combination of name and dimensions as a metric of its own. So two stacks of one account have two
 * namespaces.
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
