/** The limit per network address. */

import * as waf from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import { Api } from './api';
import { explain } from './findings';
import { Settings } from './settings';

/**
 * Refuses an address as long as it has sent more than its share in the last 5 minutes.
 *
 * A usage plan would need a key in every phone, and AWS says that its quota is a best effort that
 * must not be relied on to limit cost. This works with the app as it is.
 */
export function addFirewall(scope: Construct, settings: Settings, api: Api): void {
  if (settings.requestsPerAddress === 0) {
    explain(api, 'AwsSolutions-APIG3', 'A firewall costs 6 $ a month. The functions bound what one account may cost, and the stage what all may ask.');
    return;
  }
  const name = `${settings.prefix}-per-address`;
  const visibilityConfig = {
    cloudWatchMetricsEnabled: true,
    metricName: name,
    // Samples would contain the tokens of refused callers.
    sampledRequestsEnabled: false,
  };
  const firewall = new waf.CfnWebACL(scope, 'Firewall', {
    name,
    scope: 'REGIONAL',
    defaultAction: { allow: {} },
    visibilityConfig,
    rules: [{
      name,
      priority: 0,
      action: { block: {} },
      visibilityConfig,
      statement: {
        rateBasedStatement: {
          limit: Math.max(10, settings.requestsPerAddress),
          evaluationWindowSec: 300,
          aggregateKeyType: 'IP',
        },
      },
    }],
  });
  new waf.CfnWebACLAssociation(scope, 'FirewallOfApi', {
    webAclArn: firewall.attrArn,
    resourceArn: api.rest.deploymentStage.stageArn,
  });
}
