/** What somebody must be woken for. Ten alarms, as many as an account has free. */

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { Api } from './api';
import { AUTHORIZER, Functions } from './functions';
import { NAMESPACE, totalOf } from './metrics';
import { Settings } from './settings';
import { Tables } from './tables';

const PERIOD = Duration.minutes(5);
/** Slower than this, and a person waits. */
const SLOW_MS = 3_000;

/** What is watched. */
export interface Watched {
  readonly functions: Functions;
  readonly tables: Tables;
  /** Only if the stack has its own. */
  readonly api?: Api;
}

/** The alarms, and the topic that they go to. */
export class Alarms extends Construct {
  readonly topic: sns.Topic;
  readonly all: cloudwatch.Alarm[] = [];

  constructor(scope: Construct, id: string, private readonly settings: Settings, watched: Watched) {
    super(scope, id);
    this.topic = alarmTopic(this, settings);
    const { functions, tables, api } = watched;
    const authorizer = functions.get(AUTHORIZER);
    const answering = functions.all.filter((one) => one !== authorizer);

    this.add('errors', 'A function failed instead of answering.', 0, sum(answering.map(errors)));
    this.add('throttles', 'AWS ran fewer functions at once than were needed.', 0,
      sum(functions.all.map((one) => one.metricThrottles({ period: PERIOD }))));
    this.add('table-throttles', 'DynamoDB took less than was asked.', 0,
      sum(tables.all.flatMap(tableThrottles)), 2);
    this.add('latency', 'One sync in a hundred takes longer than 3 s.', SLOW_MS, slowest(answering), 3);
    this.add('authorizer', 'Most tokens are refused: Google\'s keys, the client ids, or an attack.', 50,
      percentageOfFailures(authorizer), 3);
    this.add('authorizer-latency', 'Verifying a token takes long.', SLOW_MS, slowest([authorizer]), 3);
    this.add('dynamodb', 'DynamoDB failed by its own account.', 0, sum(tables.all.flatMap(systemErrors)), 2);
    this.add('conflicts', 'More than one sync in five loses a value to another device.', 20,
      conflictRate(answering), 6);
    this.add('authorizer-failures', 'Tokens cannot be verified: Google\'s keys cannot be had, or the authorizer fails.', 0,
      sum(this.authorizerFailures(authorizer, api)));
    if (api !== undefined) {
      this.add('server-errors', 'The API answered 5xx more than five times.', 5,
        api.rest.metricServerError({ period: PERIOD, statistic: 'Sum' }), 2);
    }
  }

  /** Raises an alarm when `metric` was above `limit` in each of the last `periods`. */
  private add(name: string, text: string, limit: number, metric: cloudwatch.IMetric, periods = 1): void {
    const alarm = new cloudwatch.Alarm(this, name, {
      alarmName: `${this.settings.prefix}-${name}`,
      alarmDescription: `${text} See DEPLOYMENT.md, "When an alarm rings".`,
      metric,
      threshold: limit,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    this.all.push(alarm);
  }

  /** Without keys the authorizer refuses everybody and says why in its log; if it fails, API Gateway does. */
  private authorizerFailures(authorizer: lambda.Function, api?: Api): cloudwatch.Metric[] {
    const { FilterPattern } = logs;
    const failures = [this.count('KeysUnavailable', authorizer.logGroup, FilterPattern.stringValue('$.reason', '=', 'keys'))];
    if (api !== undefined) {
      failures.push(this.count('AuthorizerFailed', api.accessLog, FilterPattern.any(
        FilterPattern.stringValue('$.failure', '=', 'AUTHORIZER_FAILURE'),
        FilterPattern.stringValue('$.failure', '=', 'AUTHORIZER_CONFIGURATION_ERROR'),
      )));
    }
    return failures;
  }

  /** Makes a metric of the lines of a log. Its namespace is this stack's: it can have no dimension. */
  private count(name: string, logGroup: logs.ILogGroup, filterPattern: logs.IFilterPattern): cloudwatch.Metric {
    const filter = new logs.MetricFilter(this, name, {
      logGroup,
      filterPattern,
      metricNamespace: `${NAMESPACE}/${this.settings.prefix}`,
      metricName: name,
      metricValue: '1',
    });
    return filter.metric({ statistic: 'Sum', period: PERIOD });
  }
}

function alarmTopic(scope: Construct, settings: Settings): sns.Topic {
  const topic = new sns.Topic(scope, 'Topic', {
    topicName: `${settings.prefix}-alarms`,
    enforceSSL: true,
  });
  topic.addSubscription(new EmailSubscription(settings.alertEmail));
  // A topic with a policy of its own has lost the one that let this account's alarms in.
  topic.addToResourcePolicy(new iam.PolicyStatement({
    principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
    actions: ['sns:Publish'],
    resources: [topic.topicArn],
    conditions: { StringEquals: { 'aws:SourceAccount': topic.stack.account } },
  }));
  return topic;
}

function errors(one: lambda.Function): cloudwatch.Metric {
  return one.metricErrors({ period: PERIOD });
}

/** Adds metrics up. LIMIT: an alarm takes ten. */
function sum(metrics: cloudwatch.IMetric[]): cloudwatch.MathExpression {
  return expression(metrics, (ids) => ids.join(' + '));
}

function slowest(functions: lambda.Function[]): cloudwatch.IMetric {
  const metrics = functions.map((one) => one.metricDuration({ period: PERIOD, statistic: 'p99' }));
  return metrics.length === 1 && metrics[0] !== undefined
    ? metrics[0]
    : expression(metrics, (ids) => `MAX([${ids.join(', ')}])`);
}

/** A metric without data counts as 0, or the sum would have none either. */
function expression(metrics: cloudwatch.IMetric[], write: (ids: string[]) => string): cloudwatch.MathExpression {
  const usingMetrics = Object.fromEntries(metrics.map((metric, at) => [`m${at}`, metric]));
  const ids = Object.keys(usingMetrics).map((id) => `FILL(${id}, 0)`);
  return new cloudwatch.MathExpression({ expression: write(ids), usingMetrics, period: PERIOD });
}

/** What a table, or one of its indexes, refused because too much was asked at once. */
function tableThrottles(table: dynamodb.Table): cloudwatch.IMetric[] {
  return ['ReadThrottleEvents', 'WriteThrottleEvents'].map((name) => ofTable(table, name));
}

function systemErrors(table: dynamodb.Table): cloudwatch.IMetric[] {
  const operations = ['GetItem', 'Query', 'TransactWriteItems'];
  return operations.map((operation) => ofTable(table, 'SystemErrors', operation));
}

function ofTable(table: dynamodb.Table, metricName: string, operation?: string): cloudwatch.Metric {
  const dimensionsMap: Record<string, string> = { TableName: table.tableName };
  if (operation !== undefined) {
    dimensionsMap.Operation = operation;
  }
  return new cloudwatch.Metric({
    namespace: 'AWS/DynamoDB', metricName, dimensionsMap, statistic: 'Sum', period: PERIOD,
  });
}

/** A refused token is a failed invocation too, so single failures mean nothing. */
function percentageOfFailures(authorizer: lambda.Function): cloudwatch.MathExpression {
  const usingMetrics = { all: authorizer.metricInvocations({ period: PERIOD }), failed: errors(authorizer) };
  return new cloudwatch.MathExpression({
    expression: 'IF(all > 19, 100 * failed / all, 0)', usingMetrics, period: PERIOD,
  });
}

function conflictRate(functions: lambda.Function[]): cloudwatch.MathExpression {
  const usingMetrics = {
    conflicts: totalOf('Conflicts', functions, PERIOD),
    syncs: totalOf('Syncs', functions, PERIOD),
  };
  return new cloudwatch.MathExpression({
    expression: 'IF(syncs > 19, 100 * conflicts / syncs, 0)', usingMetrics, period: PERIOD,
  });
}
