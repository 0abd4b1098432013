/** One page that shows how the service is. */

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { Alarms, Watched } from './alarms';
import { AUTHORIZER } from './functions';
import { Name, totalOf } from './metrics';
import { Settings } from './settings';

const PERIOD = Duration.minutes(5);

/** Adds the dashboard. */
export function addDashboard(scope: Construct, settings: Settings, watched: Watched, alarms: Alarms): void {
  const { functions, tables, api } = watched;
  const authorizer = functions.get(AUTHORIZER);
  const answering = functions.all.filter((one) => one !== authorizer);
  const ours = (title: string, ...names: Name[]) =>
    graph(title, names.map((name) => totalOf(name, answering, PERIOD)));
  const dashboard = new cloudwatch.Dashboard(scope, 'Dashboard', {
    dashboardName: settings.prefix,
    defaultInterval: Duration.days(1),
  });
  dashboard.addWidgets(
    new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: alarms.all, width: 24 }),
  );
  dashboard.addWidgets(
    ours('Syncs', 'Syncs', 'ColdStart'),
    ours('Records', 'Pushed', 'Pulled', 'Merged'),
    ours('What did not go smoothly', 'Conflicts', 'Rejected', 'Retries'),
  );
  dashboard.addWidgets(
    graph('Time of a call, p99 (ms)', functions.all.map((one) => one.metricDuration({ statistic: 'p99', period: PERIOD }))),
    graph('Errors', functions.all.map((one) => one.metricErrors({ period: PERIOD }))),
    graph('Authorizer', [authorizer.metricInvocations({ period: PERIOD }), authorizer.metricErrors({ period: PERIOD })]),
  );
  dashboard.addWidgets(
    ours('Request units', 'ReadUnits', 'WriteUnits'),
    graph('Reads that DynamoDB bills', tables.all.map((table) => table.metricConsumedReadCapacityUnits({ period: PERIOD }))),
    graph('Writes that DynamoDB bills', tables.all.map((table) => table.metricConsumedWriteCapacityUnits({ period: PERIOD }))),
  );
  if (api !== undefined) {
    const rest = api.rest;
    dashboard.addWidgets(graph('Answers of the API', [
      rest.metricCount({ period: PERIOD }),
      rest.metricClientError({ period: PERIOD }),
      rest.metricServerError({ period: PERIOD }),
    ]));
  }
}

function graph(title: string, left: cloudwatch.IMetric[]): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({ title, left, width: 8 });
}
