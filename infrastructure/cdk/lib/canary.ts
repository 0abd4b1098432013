/**
 * A canary, with `-c canaryMinutes=`: for so many minutes, a deployment sends one call in ten to
 * the new version. If an alarm rings meanwhile, it goes back by itself. When off, it makes nothing;
 * when on, it is free too.
 */

import * as codedeploy from 'aws-cdk-lib/aws-codedeploy';
import { Construct } from 'constructs';
import { Alarms } from './alarms';
import { explain } from './findings';
import { Functions } from './functions';
import { Settings } from './settings';

const { LambdaDeploymentConfig } = codedeploy;
/** How long one call in ten goes to the new version, in minutes. */
const CONFIGS: Readonly<Record<number, codedeploy.ILambdaDeploymentConfig>> = {
  5: LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
  10: LambdaDeploymentConfig.CANARY_10PERCENT_10MINUTES,
  15: LambdaDeploymentConfig.CANARY_10PERCENT_15MINUTES,
  30: LambdaDeploymentConfig.CANARY_10PERCENT_30MINUTES,
};
/**
 * The alarms that a bad version makes ring within minutes, and that need nothing but the functions.
 */
const WATCHED = ['crashes', 'failures', 'latency'];

/** Adds it, or nothing. */
export function addCanary(scope: Construct, settings: Settings, functions: Functions, alarms: Alarms): void {
  const deploymentConfig = CONFIGS[settings.canaryMinutes];
  if (deploymentConfig === undefined) {
    return;
  }
  const here = new Construct(scope, 'Canary');
  const application = new codedeploy.LambdaApplication(here, 'Application', {
    applicationName: `${settings.prefix}-functions`,
  });
  for (const binary of functions.names) {
    new codedeploy.LambdaDeploymentGroup(here, binary, {
      application,
      alias: functions.live(binary),
      deploymentConfig,
      alarms: WATCHED.map((name) => alarms.get(name)),
    });
  }
  explain(here, 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited]', 'What CodeDeploy may do for functions is for AWS to say, and is in a policy of its own.');
}
