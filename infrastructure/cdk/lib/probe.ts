/**
 * Calls `/health` by the API's public address from time to time. So it notices what no function can
 * notice of itself, such as that none is called.
 *
 * It is off unless `probeMinutes` is given. Every 5 minutes it costs 0.03 $ a month, which is API
 * Gateway's price for 8,640 calls (`bill.ts`). It runs in the same region, so it does not notice if
 * the whole region fails.
 */

import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { AnyApi } from './api';
import { Settings } from './settings';

/** The text that the probe writes when it gets no good answer. An alarm counts it. */
export const NO_ANSWER = 'no answer from outside:';

/**
 * The program. On a failure it only writes a line. So CloudWatch sees one failure, and Lambda sees
 * none that it would repeat.
 */
export const PROGRAM = `
exports.handler = async () => {
  let said;
  try {
    const answer = await fetch(process.env.HAUMANA_HEALTH_URL, { signal: AbortSignal.timeout(10000) });
    said = String(answer.status);
  } catch (error) {
    said = error.name;
  }
  if (said !== '200') {
    console.log('${NO_ANSWER} ' + said);
  }
};
`;

/** Adds the probe, and returns its log; `undefined` if there is none. */
export function addProbe(scope: Construct, settings: Settings, api: AnyApi | undefined): logs.LogGroup | undefined {
  if (settings.probeMinutes === 0) {
    return undefined;
  }
  const here = new Construct(scope, 'Probe');
  const functionName = `${settings.prefix}-probe`;
  const logGroup = new logs.LogGroup(here, 'Log', {
    logGroupName: `/aws/lambda/${functionName}`,
    retention: settings.logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const role = new iam.Role(here, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
  logGroup.grantWrite(role);
  const handler = new lambda.Function(here, 'Function', {
    functionName,
    runtime: lambda.Runtime.NODEJS_LATEST,
    architecture: lambda.Architecture.ARM_64,
    handler: 'index.handler',
    code: lambda.Code.fromInline(PROGRAM),
    role,
    logGroup,
    memorySize: 128,
    timeout: Duration.seconds(15),
    environment: { HAUMANA_HEALTH_URL: `${address(settings, api)}health` },
  });
  new events.Rule(here, 'Schedule', {
    schedule: events.Schedule.rate(Duration.minutes(settings.probeMinutes)),
    targets: [new LambdaFunction(handler, { retryAttempts: 0 })],
  });
  return logGroup;
}

function address(settings: Settings, api: AnyApi | undefined): string {
  return api?.url
    ?? `https://${settings.existingApiId}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}/${settings.stage}/`;
}
