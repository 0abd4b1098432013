/**
 * As much of CloudWatch as the alarms of the template need. Log lines become metrics, by the
 * embedded metric format and by the template's own filters. An alarm rings or does not.
 */

import { Resource } from './support';

/** A line in a log, with its time in seconds. */
export interface Written {
  readonly at: number;
  /** The id of the log group's function, or `access`. */
  readonly log: string;
  readonly line: string;
}

/**
 * One value of a metric. Values of AWS's own metrics are given directly. A dimension is part of the
 * name.
 */
export interface Value {
  readonly at: number;
  readonly namespace: string;
  readonly name: string;
  readonly value: number;
}

/** Makes metrics of lines. `logOf` returns the name of a filter's log group. */
export function metricsOf(lines: readonly Written[], filters: readonly Resource[], logOf: (filter: any) => string): Value[] {
  return lines.flatMap(({ at, log, line }) => {
    const filtered = filters.map(({ Properties }) => Properties)
      .filter((filter) => logOf(filter) === log && matches(filter.FilterPattern, line))
      .flatMap((filter) => filter.MetricTransformations)
      .map((one: any) => ({ at, namespace: one.MetricNamespace, name: one.MetricName, value: Number(one.MetricValue) }));
    return [...embedded(at, line), ...filtered];
  });
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html */
function embedded(at: number, line: string): Value[] {
  const read = parse(line);
  return (read?._aws?.CloudWatchMetrics ?? []).flatMap((directive: any) =>
    directive.Dimensions.flatMap((dimensions: string[]) => {
      // A value under a dimension is another metric, which no alarm here uses.
      const suffix = dimensions.map((name) => `{${name}=${read[name]}}`).join('');
      return directive.Metrics.map(({ Name }: { Name: string }) => (
        { at, namespace: directive.Namespace, name: Name + suffix, value: Number(read[Name]) }));
    }));
}

/** Terms (`?"one" ?"another"`), and comparisons of texts in JSON that are joined by `||`. */
export function matches(pattern: string, line: string): boolean {
  if (!pattern.startsWith('{')) {
    return [...pattern.matchAll(/\?"([^"]+)"/g)].some(([, term]) => line.includes(term ?? '-'));
  }
  const read = parse(line);
  return [...pattern.matchAll(/\$\.(\w+) = "([^"]*)"/g)]
    .some(([, name, value]) => read !== undefined && read[name ?? ''] === value);
}

function parse(line: string): any {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Whether an alarm rings at any time up to `until`, by its metric, statistic, limit and periods. */
export function rings(alarm: any, values: readonly Value[], until: number): boolean {
  const dimensions: any[] = alarm.Dimensions ?? [];
  const name = alarm.MetricName + dimensions.map((one) => `{${one.Name}=${one.Value}}`).join('');
  const own = values.filter((one) => one.namespace === alarm.Namespace && one.name === name);
  const breaches: boolean[] = [];
  for (let from = 0; from < until; from += alarm.Period) {
    const inside = own.filter((one) => from <= one.at && one.at < from + alarm.Period).map((one) => one.value);
    breaches.push(inside.length === 0 ? alarm.TreatMissingData === 'breaching' : isBreach(alarm, statistic(alarm, inside)));
  }
  const of = alarm.EvaluationPeriods;
  return breaches.some((_, end) =>
    alarm.DatapointsToAlarm <= breaches.slice(Math.max(0, end + 1 - of), end + 1).filter((one) => one).length);
}

function statistic(alarm: any, values: number[]): number {
  const sum = values.reduce((one, other) => one + other, 0);
  switch (alarm.Statistic ?? alarm.ExtendedStatistic) {
    case 'Sum': return sum;
    case 'Average': return sum / values.length;
    case 'p99': return [...values].sort((one, other) => one - other)[Math.ceil(values.length * 0.99) - 1] ?? 0;
    default: throw new Error(`the statistic ${alarm.Statistic ?? alarm.ExtendedStatistic}`);
  }
}

function isBreach(alarm: any, value: number): boolean {
  switch (alarm.ComparisonOperator) {
    case 'GreaterThanThreshold': return alarm.Threshold < value;
    case 'LessThanThreshold': return value < alarm.Threshold;
    case 'GreaterThanOrEqualToThreshold': return alarm.Threshold <= value;
    default: throw new Error(`the comparison ${alarm.ComparisonOperator}`);
  }
}
