/**
 * What a month costs: the template's resources, counted one by one, times the actions of the users.
 *
 * The cost of one operation in the tables is measured (`benches/units.json`; a test of the benches
 * checks it). Everything else is arithmetic over `prices.ts`.
 */

import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import {
  API_GATEWAY, CLOUDWATCH, COGNITO, DYNAMODB, FREE, HTTP_API, HTTP_API_METERED_BYTES, LAMBDA, S3, TRANSFER, WAF,
} from './prices';
import { HOME } from './routes';

/** A synthesised template. */
export interface Template {
  readonly Resources: Record<string, { Type: string; Properties?: any }>;
}

/** The month of these users. */
export interface Month {
  readonly users: number;
  /** How many years they have practised, once a day. */
  readonly years: number;
}

/** One line of the bill. */
export interface Line {
  readonly what: string;
  readonly dollars: number;
}

/** One measured action of a user. */
interface Operation {
  readonly name: string;
  readonly timesADay: number;
  readonly readUnits: number;
  readonly writeUnits: number;
}

/** The measurements. */
interface Units {
  readonly day: Operation[];
  /** Bytes of `POST /pieces` of the app, which sends its whole repertoire each time. */
  readonly piecesRequestBytes: number;
  /** A call of `/sessions` without new sessions, by the number of years in the answer. */
  readonly sessions: { years: number; readUnits: number; writeUnits: number; gzipBytes: number }[];
}

export const UNITS: Units = JSON.parse(
  readFileSync(path.join(HOME, '../../benches/units.json'), 'utf8'),
);

const DAYS = 30;
const GB = 1e9;
/** The app calls it at each start. */
const SIGN_INS_A_DAY = 3;
/** Calls for which the authorizer is asked: its verdict is kept for 5 minutes. */
const VERDICTS_A_DAY = 10;
/** How long a call takes, at 512 MB. The time measured over TLS is less than 1 ms when warm. */
const CALL_SECONDS = 0.05;
/**
 * For each compressed kB of a reply: 78 kB take 16 ms of a whole processor, and half a GB of memory
 * has 0.29 of one.
 */
const GZIP_SECONDS_A_KB = 0.0007;
/** Two lines of ours and three of Lambda's; the tests of `haumana-lambda` limit ours. */
const LOG_BYTES_A_CALL = 640 + 420;
/** A line of API Gateway, if there is an access log. */
const ACCESS_BYTES_A_CALL = 385;
const LOG_BYTES_A_VERDICT = 400 + 420;
/** A repertoire of 1,000 pieces of 1 kB with its history, and one session with its entry in the index. */
const PIECES_BYTES = 2_000_000;
const SESSION_BYTES = 600;
/** The bytes of a reply without changes, and of the ten pieces that one sync a day brings. */
const REPLY_BYTES = 600;
const PULL_BYTES = 12_000;
/** New users in a month. Only they count as active in the pool, because nobody signs in there. */
const NEW_USERS = 0.03;
/** The zipped programs of this deployment and of ten before it. */
const ASSETS_GB = 11 * 0.031;

/** Types of resource that cost nothing by themselves. */
const FREE_TYPES = [
  'AWS::ApiGateway::Account', 'AWS::ApiGateway::Authorizer', 'AWS::ApiGateway::Deployment',
  'AWS::ApiGateway::GatewayResponse', 'AWS::ApiGateway::Method', 'AWS::ApiGateway::Resource',
  'AWS::ApiGateway::RestApi', 'AWS::ApiGateway::Stage', 'AWS::ApiGatewayV2::Api', 'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route', 'AWS::ApiGatewayV2::Stage', 'AWS::Budgets::Budget', 'AWS::CodeDeploy::Application',
  'AWS::CodeDeploy::DeploymentGroup', 'AWS::Cognito::UserPool',
  'AWS::DynamoDB::Table', 'AWS::Events::Rule', 'AWS::IAM::Policy', 'AWS::IAM::Role', 'AWS::Lambda::Alias',
  'AWS::Lambda::Function', 'AWS::Lambda::LayerVersion', 'AWS::Lambda::Permission', 'AWS::Lambda::Version', 'AWS::Logs::LogGroup',
  'AWS::Logs::MetricFilter', 'AWS::SNS::Subscription', 'AWS::SNS::Topic', 'AWS::SNS::TopicPolicy',
  'AWS::WAFv2::WebACLAssociation',
  // The page: CloudFront's first terabyte and ten million requests a month are free, and S3 keeps its
  // 2 MB for less than a cent a year.
  'AWS::CloudFront::Distribution', 'AWS::CloudFront::OriginAccessControl', 'AWS::CloudFront::ResponseHeadersPolicy',
  'AWS::S3::Bucket', 'AWS::S3::BucketPolicy',
];
/** Types that are billed by the hour for their number or settings, however little they are used. */
const BILLED_TYPES = ['AWS::CloudWatch::Alarm', 'AWS::CloudWatch::Dashboard', 'AWS::WAFv2::WebACL'];

/** The parts of the template that are billed even without use. */
export interface Standing {
  readonly alarmMetrics: number;
  readonly customMetrics: number;
  readonly dashboards: number;
  readonly dashboardMetrics: number;
  readonly acls: number;
  readonly aclRules: number;
  /** How often `/health` is called from outside in a month. */
  readonly probes: number;
}

/** Counts them. Throws if there is a type of resource without a known cost. */
export function standing(template: Template, written: readonly string[]): Standing {
  const all = Object.values(template.Resources);
  const unknown = all.map((one) => one.Type)
    .filter((type) => ![...FREE_TYPES, ...BILLED_TYPES].includes(type));
  if (0 < unknown.length) {
    throw new Error(`nobody has said what these cost: ${[...new Set(unknown)].join(', ')}`);
  }
  const of = (type: string) => all.filter((one) => one.Type === type).map((one) => one.Properties);
  const dashboards = of('AWS::CloudWatch::Dashboard');
  const acls = of('AWS::WAFv2::WebACL');
  const counted = of('AWS::Logs::MetricFilter').flatMap((one) => one.MetricTransformations);
  const filtered = counted.map((one) => `${one.MetricNamespace}/${one.MetricName}`);
  if (counted.some((one) => one.Dimensions !== undefined)) {
    throw new Error('each value of a dimension is a metric of its own: their number is not known');
  }
  return {
    alarmMetrics: of('AWS::CloudWatch::Alarm').map(metricsOfAlarm).reduce(sum, 0),
    customMetrics: written.length + new Set(filtered).size,
    dashboards: dashboards.length,
    dashboardMetrics: Math.max(0, ...dashboards.map(metricsOfDashboard)),
    acls: acls.length,
    aclRules: acls.map((acl) => acl.Rules.length).reduce(sum, 0),
    probes: of('AWS::Events::Rule').map((rule) => DAYS * 24 * 60 / minutesOf(rule)).reduce(sum, 0),
  };
}

/** The minutes of `rate(5 minutes)`. If you add another kind of schedule, add its minutes here. */
function minutesOf(rule: any): number {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(rule.ScheduleExpression);
  if (rate === null) {
    throw new Error(`nobody has said how often this is: ${rule.ScheduleExpression}`);
  }
  return Number(rate[1]) * { minute: 1, hour: 60, day: 1440 }[rate[2] as 'minute' | 'hour' | 'day'];
}

function metricsOfAlarm(alarm: any): number {
  return alarm.MetricName !== undefined ? 1 : alarm.Metrics.filter((one: any) => one.MetricStat).length;
}

/** The body is a text with references in between. Its metrics are counted by how each begins. */
function metricsOfDashboard(dashboard: any): number {
  const body = dashboard.DashboardBody;
  const text = typeof body === 'string' ? body
    : body['Fn::Join'][1].map((part: unknown) => (typeof part === 'string' ? part : 'REF')).join('');
  const widgets = JSON.parse(text).widgets as any[];
  return widgets.flatMap((widget) => widget.properties.metrics ?? []).length;
}

function sum(one: number, other: number): number {
  return one + other;
}

/** Returns the bill of a month, line by line, including lines of 0. */
export function bill(template: Template, written: readonly string[], month: Month): Line[] {
  const { users, years } = month;
  const has = (type: string) => Object.values(template.Resources).some((one) => one.Type === type);
  const stands = standing(template, written);
  const days = users * DAYS;
  const sessions = sessionsOf(years);
  const syncs = UNITS.day.filter((one) => isSync(one)).map((one) => one.timesADay).reduce(sum, 0);
  const calls = days * (2 * syncs + SIGN_INS_A_DAY) + stands.probes;
  const isHttp = has('AWS::ApiGatewayV2::Api');
  // The probe is an invocation without a verdict, and writes as much as one.
  const verdicts = (isHttp ? 0 : days * VERDICTS_A_DAY) + stands.probes;
  const metered = calls + days * syncs * (Math.ceil(UNITS.piecesRequestBytes / HTTP_API_METERED_BYTES) - 1);
  const apiPrices = isHttp ? HTTP_API : API_GATEWAY;
  const logBytesACall = LOG_BYTES_A_CALL + (isHttp ? 0 : ACCESS_BYTES_A_CALL);
  const units = (of: 'readUnits' | 'writeUnits') =>
    days * (UNITS.day.map((one) => one.timesADay * one[of]).reduce(sum, 0) + syncs * sessions[of]);
  const storedGb = users * (PIECES_BYTES + years * 365 * SESSION_BYTES) / GB;
  const logGb = (calls * logBytesACall + verdicts * LOG_BYTES_A_VERDICT) / GB;
  const outGb = days * (syncs * (REPLY_BYTES + sessions.gzipBytes) + PULL_BYTES) / GB;
  const gzipSeconds = days * syncs * sessions.gzipBytes / 1e3 * GZIP_SECONDS_A_KB;
  const gbSeconds = ((calls + verdicts) * CALL_SECONDS + gzipSeconds) * 0.5;
  const over = (amount: number, free: number) => Math.max(0, amount - free);
  const lines: [string, number][] = [
    ['reading the tables', units('readUnits') / 1e6 * DYNAMODB.readMillion],
    ['writing the tables', units('writeUnits') / 1e6 * DYNAMODB.writeMillion],
    ['storing them', over(storedGb, FREE.tableGb) * DYNAMODB.storageGb],
    ['point-in-time recovery', storedGb * DYNAMODB.recoveryGb],
    ['API Gateway', tiers((isHttp ? metered : calls) / 1e6, apiPrices.map((one) => [one.upToMillions, one.million]))],
    ['Lambda, invocations', over((calls + verdicts) / 1e6, FREE.lambdaMillions) * LAMBDA.million],
    ['Lambda, time', over(gbSeconds, FREE.lambdaGbSeconds) * LAMBDA.gbSecond[processorOf(template)]],
    ['logs', over(logGb, FREE.logGb) * CLOUDWATCH.logGb + logGb / 2 * CLOUDWATCH.logStorageGb * 0.2],
    ['metrics', over(stands.customMetrics, FREE.metrics) * CLOUDWATCH.metric],
    ['alarms', over(stands.alarmMetrics, FREE.alarmMetrics) * CLOUDWATCH.alarmMetric],
    ['dashboards', dashboards(stands) * CLOUDWATCH.dashboard],
    ['firewall', stands.acls * WAF.acl + stands.aclRules * WAF.rule + (stands.acls === 0 ? 0 : calls / 1e6 * WAF.million)],
    ['Cognito, users who come anew', has('AWS::Cognito::UserPool') || users === 0
      ? tiers(over(users * NEW_USERS, FREE.cognitoUsers), COGNITO.map((one) => [one.upTo, one.user])) : 0],
    ['sent to the phones', tiers(over(outGb, FREE.transferGb), TRANSFER.map((one) => [one.upToGb, one.gb]))],
    ['the programs in S3', ASSETS_GB * S3.gb],
  ];
  return lines.map(([what, dollars]) => ({ what, dollars }));
}

/** The sum of all lines, in dollars. */
export function total(lines: readonly Line[]): number {
  return lines.map((line) => line.dollars).reduce(sum, 0);
}

/**
 * The processor of our programs. Throws if they have several, because then it is unknown which one
 * takes the time.
 */
function processorOf(template: Template): keyof typeof LAMBDA.gbSecond {
  // The probe is a script that takes very little time.
  const ours = Object.values(template.Resources).filter((one) => one.Properties?.Runtime === 'provided.al2023');
  const all = ours.map((one) => one.Properties.Architectures[0]);
  const [processor, ...others] = [...new Set(all)];
  if (0 < others.length || !(processor in LAMBDA.gbSecond)) {
    throw new Error(`the functions run on ${[processor, ...others].join(' and ')}`);
  }
  return processor;
}

function isSync(operation: Operation): boolean {
  return operation.name !== 'a practice session is kept';
}

/** The first three cost nothing if none of them shows more than 50 metrics. */
function dashboards({ dashboards: n, dashboardMetrics }: Standing): number {
  return dashboardMetrics <= FREE.dashboardMetrics ? Math.max(0, n - FREE.dashboards) : n;
}

function sessionsOf(years: number) {
  const found = UNITS.sessions.find((one) => one.years === years);
  if (found === undefined) {
    throw new Error(`sessions of ${years} years were not measured`);
  }
  return found;
}

/** The price of an amount in tiers: each part of it has the price of its tier. */
function tiers(amount: number, prices: readonly (readonly [number, number])[]): number {
  let from = 0;
  let dollars = 0;
  for (const [upTo, price] of prices) {
    dollars += Math.max(0, Math.min(amount, upTo) - from) * price;
    from = upTo;
  }
  return dollars;
}
