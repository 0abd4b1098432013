/**
 * One page that shows the state of the service.
 *
 * LIMIT: 50 metrics. With more it costs 3 $ a month (`prices.ts`; a test counts them).
 */

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { Alarms, Watched } from './alarms';
import { AUTHORIZER } from './functions';
import { Counted, metric, Name, Statistic } from './metrics';
import { Settings } from './settings';

const PERIOD = Duration.minutes(5);

/** Adds the dashboard. */
export function addDashboard(scope: Construct, settings: Settings, watched: Watched, alarms: Alarms): void {
  const { functions, tables, api } = watched;
  const authorizer = functions.names.includes(AUTHORIZER) ? [functions.get(AUTHORIZER)] : [];
  const ours = (name: Name | Counted, statistic: Statistic) => metric(settings, name, statistic, PERIOD);
  const dashboard = new cloudwatch.Dashboard(scope, 'Dashboard', {
    dashboardName: settings.prefix,
    defaultInterval: Duration.days(1),
  });
  dashboard.addWidgets(
    new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: alarms.all, width: 24 }),
  );
  dashboard.addWidgets(
    graph('Calls, and syncs among them', [ours('Failed', 'SampleCount'), ours('Conflicts', 'SampleCount')]),
    graph('Records', [ours('Pushed', 'Sum'), ours('Pulled', 'Sum')]),
    graph('What did not go smoothly', [
      ours('Failed', 'Sum'), ours('Limited', 'Sum'), ours('Conflicts', 'Sum'), ours('Retries', 'Sum'),
      ours('Crashed', 'Sum'),
    ]),
  );
  dashboard.addWidgets(
    graph('Time of a call, p99 (ms)', [
      ours('Ms', 'p99'), ...authorizer.map((one) => one.metricDuration({ statistic: 'p99', period: PERIOD })),
    ]),
    graph('Tokens', [
      ours('Refused', 'SampleCount'), ours('Refused', 'Sum'), ours('Unverified', 'Sum'),
    ]),
    graph('Invocations', functions.all.map((one) => one.metricInvocations({ period: PERIOD }))),
  );
  dashboard.addWidgets(
    graph('Reads that DynamoDB bills', tables.all.map((table) => table.metricConsumedReadCapacityUnits({ period: PERIOD }))),
    graph('Writes that DynamoDB bills', tables.all.map((table) => table.metricConsumedWriteCapacityUnits({ period: PERIOD }))),
    graph('Answers of the API', (api?.answers ?? []).map((one) => one.with({ period: PERIOD }))),
  );
}

function graph(title: string, left: cloudwatch.IMetric[]): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({ title, left, width: 8 });
}
