/**
 * The faults for which somebody must be woken.
 *
 * There are ten alarms, each over one metric: as many as are free for an account, however many
 * stacks it has (`prices.ts`). A rate is the average of a metric that the functions write as 0 or 1
 * for each call. So it needs no arithmetic and no least number of calls, and works for 100 users as
 * for a million.
 */

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { AnyApi, restServerErrors } from './api';
import { Functions } from './functions';
import { Counted, metric, Name, namespaceOf, Statistic } from './metrics';
import { NO_ANSWER } from './probe';
import { Settings } from './settings';
import { Tables } from './tables';

const PERIOD = Duration.minutes(5);
/** If a call is slower than this, a person waits. */
const SLOW_MS = 3_000;
/**
 * The texts that Lambda writes when an invocation ends without an answer, and the text that our
 * functions write before they end because a setting is missing. From memory; compare with
 * https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html.
 */
export const CRASHES = ['Task timed out', 'Runtime exited', 'Runtime.ExitError', 'cannot start:'];
/** The logged reason if an issuer's keys cannot be fetched; `KEYS` in `haumana-auth`. */
export const KEYS = 'keys';

/** What is watched. */
export interface Watched {
  readonly functions: Functions;
  readonly tables: Tables;
  /** Only if the stack has its own. */
  readonly api?: AnyApi;
  /** The log of the probe, if there is one. */
  readonly probeLog?: logs.ILogGroup;
}

/** When an alarm rings. */
interface Rule {
  readonly text: string;
  readonly metric: cloudwatch.Metric;
  /** The alarm rings above this value. */
  readonly limit: number;
  /** In how many of the last periods the value must be above the limit. */
  readonly due: number;
  /** How many last periods are looked at; if absent, as many as `due`. */
  readonly of?: number;
}

/** The alarms, and the topic that they go to. */
export class Alarms extends Construct {
  readonly topic: sns.Topic;
  readonly all: cloudwatch.Alarm[] = [];

  constructor(scope: Construct, id: string, private readonly settings: Settings, watched: Watched) {
    super(scope, id);
    this.topic = alarmTopic(this, settings);
    this.countCrashes(watched);
    this.countUnverified(watched);
    for (const [name, rule] of Object.entries(this.rules(watched))) {
      this.add(name, rule);
    }
  }

  private rules({ api }: Watched): Record<string, Rule> {
    const ours = (name: Name | Counted, statistic: Statistic) =>
      metric(this.settings, name, statistic, PERIOD);
    const rules: Record<string, Rule> = {
      crashes: {
        text: 'A function ended without an answer, or cannot start, or the probe got no good answer.',
        metric: ours('Crashed', 'Sum'), limit: 0, due: 1,
      },
      failures: {
        text: 'More than one call in five was answered with 5xx.',
        metric: ours('Failed', 'Average'), limit: 0.2, due: 2, of: 3,
      },
      throttles: {
        text: 'AWS ran fewer functions at once than were needed, of whichever stack of this account.',
        metric: lambda.Function.metricAllThrottles({ period: PERIOD, statistic: 'Sum' }), limit: 0, due: 1,
      },
      latency: {
        text: 'One call in a hundred, or one verdict on a token, takes longer than 3 s.',
        metric: ours('Ms', 'p99'), limit: SLOW_MS, due: 3,
      },
      refusals: {
        text: 'More than half of the tokens are refused: the client ids, or an attack.',
        metric: ours('Refused', 'Average'), limit: 0.5, due: 3,
      },
      unverified: {
        text: 'Tokens cannot be verified: Google\'s keys cannot be had, or the authorizer fails.',
        metric: ours('Unverified', 'Sum'), limit: 0, due: 1,
      },
      retries: {
        text: 'The tables had to be asked again often: throttled, or DynamoDB fails.',
        metric: ours('Retries', 'Sum'), limit: 20, due: 2, of: 3,
      },
      conflicts: {
        text: 'More than one value is lost in five syncs.',
        metric: ours('Conflicts', 'Average'), limit: 0.2, due: 6,
      },
      limited: {
        text: 'Somebody goes on although the allowance of the account is used up.',
        metric: ours('Limited', 'Sum'), limit: 100, due: 2,
      },
    };
    // It notices something that no function can: that none is called.
    const { existingApiName } = this.settings;
    const seen = api?.serverErrors ?? (existingApiName === undefined ? undefined : restServerErrors(existingApiName));
    return seen === undefined ? rules : { ...rules, 'server-errors': serverErrors(seen) };
  }

  /** The alarm of that name. */
  get(name: string): cloudwatch.Alarm {
    const found = this.all.find((one) => one.node.id === name);
    if (found === undefined) {
      throw new Error(`there is no alarm ${name}`);
    }
    return found;
  }

  private add(name: string, rule: Rule): void {
    const alarm = new cloudwatch.Alarm(this, name, {
      alarmName: `${this.settings.prefix}-${name}`,
      alarmDescription: `${rule.text} See DEPLOYMENT.md, "When an alarm rings".`,
      metric: rule.metric,
      threshold: rule.limit,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: rule.of ?? rule.due,
      datapointsToAlarm: rule.due,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    this.all.push(alarm);
  }

  /** When a function crashes, no code of ours runs, so Lambda's own lines are counted. */
  private countCrashes({ functions, probeLog }: Watched): void {
    for (const one of functions.all) {
      this.count(`Crashed${one.node.scope?.node.id}`, 'Crashed', one.logGroup,
        logs.FilterPattern.anyTerm(...CRASHES));
    }
    if (probeLog !== undefined) {
      this.count('NoAnswer', 'Crashed', probeLog, logs.FilterPattern.anyTerm(NO_ANSWER, ...CRASHES));
    }
  }

  /**
   * Without keys the authorizer refuses everybody and logs the reason. If it fails, API Gateway
   * logs that.
   */
  private countUnverified({ functions, api }: Watched): void {
    const { FilterPattern } = logs;
    for (const binary of functions.verifying) {
      this.count(`NoKeys${binary}`, 'Unverified', functions.get(binary).logGroup,
        FilterPattern.stringValue('$.reason', '=', KEYS));
    }
    if (api?.accessLog !== undefined) {
      this.count('AuthorizerFailed', 'Unverified', api.accessLog, FilterPattern.any(
        FilterPattern.stringValue('$.failure', '=', 'AUTHORIZER_FAILURE'),
        FilterPattern.stringValue('$.failure', '=', 'AUTHORIZER_CONFIGURATION_ERROR'),
      ));
    }
  }

  /** Adds the lines of a log to a metric. */
  private count(id: string, name: Counted, logGroup: logs.ILogGroup, filterPattern: logs.IFilterPattern): void {
    new logs.MetricFilter(this, id, {
      logGroup,
      filterPattern,
      metricNamespace: namespaceOf(this.settings),
      metricName: name,
      metricValue: '1',
    });
  }
}

function serverErrors(metric: cloudwatch.Metric): Rule {
  return {
    text: 'More than one call in five got 5xx from the API.',
    metric: metric.with({ period: PERIOD }),
    limit: 0.2, due: 2, of: 3,
  };
}

function alarmTopic(scope: Construct, settings: Settings): sns.Topic {
  const topic = new sns.Topic(scope, 'Topic', {
    topicName: `${settings.prefix}-alarms`,
    enforceSSL: true,
  });
  topic.addSubscription(new EmailSubscription(settings.alertEmail));
  // If a topic has a policy of its own, it lacks the default one that lets this account's alarms
  // publish.
  topic.addToResourcePolicy(new iam.PolicyStatement({
    principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
    actions: ['sns:Publish'],
    resources: [topic.topicArn],
    conditions: { StringEquals: { 'aws:SourceAccount': topic.stack.account } },
  }));
  return topic;
}
