/** The metrics that the functions write into their logs (embedded metric format). */

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as lambda from 'aws-cdk-lib/aws-lambda';

/** Where our metrics stand in CloudWatch. */
export const NAMESPACE = 'Haumana';

/** Each is a count per request; none says anything of anyone. */
export type Name =
  | 'Syncs' | 'Pushed' | 'Pulled' | 'Merged' | 'Conflicts' | 'Rejected'
  | 'ReadUnits' | 'WriteUnits' | 'Retries' | 'ColdStart';

/** One metric of one function. */
export function metricOf(name: Name, one: lambda.Function, period: Duration): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: NAMESPACE,
    metricName: name,
    dimensionsMap: { Function: one.functionName },
    statistic: 'Sum',
    period,
  });
}

/** One metric, added up over `functions`. */
export function totalOf(name: Name, functions: lambda.Function[], period: Duration): cloudwatch.MathExpression {
  const entries = functions.map((one, at) => [`${name.toLowerCase()}${at}`, metricOf(name, one, period)]);
  const usingMetrics: Record<string, cloudwatch.Metric> = Object.fromEntries(entries);
  const terms = Object.keys(usingMetrics).map((id) => `FILL(${id}, 0)`);
  return new cloudwatch.MathExpression({ expression: terms.join(' + '), usingMetrics, label: name, period });
}
