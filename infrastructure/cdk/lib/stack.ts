/** Everything of one deployment. */

import { ArnFormat, CfnOutput, Lazy, Stack, StackProps, Tags } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { Alarms } from './alarms';
import { AnyApi, Api } from './api';
import { addBudget } from './budget';
import { addCanary } from './canary';
import { addDashboard } from './dashboard';
import { addFirewall } from './firewall';
import { AUTHORIZER, Functions } from './functions';
import { METADATA } from './guard';
import { HttpApi } from './http-api';
import { addPage } from './page';
import { addProbe } from './probe';
import { ROUTES } from './routes';
import { Settings } from './settings';
import { Tables } from './tables';
import { userPool } from './users';

/** The stack. */
export class HaumanaStack extends Stack {
  constructor(scope: Construct, id: string, given: Settings, props?: StackProps) {
    super(scope, id, {
      description: 'haumana-sync: the sync API, its tables and its alarms',
      terminationProtection: given.keepData,
      ...props,
    });
    // The page's policy names the API, and the functions name the page.
    const origin = addPage(this, given, Lazy.string({ produce: () => api?.origin ?? '' }));
    const settings = origin === undefined ? given : { ...given, corsOrigins: [...given.corsOrigins, origin] };
    const tables = new Tables(this, 'Tables', settings);
    const users = userPool(this, settings);
    const functions = new Functions(this, 'Functions', { settings, tables, users });

    const api: AnyApi | undefined = addApi(this, settings, functions);

    const probeLog = addProbe(this, settings, api);
    const watched = { functions, tables, api, probeLog };
    const alarms = new Alarms(this, 'Alarms', settings, watched);
    addDashboard(this, settings, watched, alarms);
    addCanary(this, settings, functions, alarms);
    addBudget(this, settings);
    Tags.of(this).add('haumana:prefix', settings.prefix);
    this.addMetadata(METADATA, settings.given);

    const output = (name: string, value: string) => new CfnOutput(this, name, { value });
    output('ApiUrl', api?.url ?? 'see the existing API');
    output('UserPoolId', users.userPoolId);
    output('AlarmTopic', alarms.topic.topicArn);
    for (const binary of functions.names) {
      output(outputName(binary), functions.live(binary).functionArn);
    }
  }
}

/** The stack's own API, or permissions for the existing one. */
function addApi(scope: Construct, settings: Settings, functions: Functions): AnyApi | undefined {
  if (settings.existingApiId !== undefined) {
    allowExistingApi(settings, functions);
    return undefined;
  }
  if (settings.api === 'http') {
    return new HttpApi(scope, 'HttpApi', settings, functions);
  }
  const api = new Api(scope, 'Api', settings, functions);
  addFirewall(scope, settings, api);
  return api;
}

/** The output with the ARN of the version that callers get: `SyncPiecesLambda`. */
export function outputName(binary: string): string {
  return binary.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/**
 * Lets the existing API call the functions, each for its own calls. The API itself is not changed:
 * it belongs to another stack, and `../../move` changes where it points, and changes it back.
 */
function allowExistingApi(settings: Settings, functions: Functions): void {
  const caller = new iam.ServicePrincipal('apigateway.amazonaws.com');
  const allow = (binary: string, id: string, what: string) => {
    const one = functions.live(binary);
    one.addPermission(id, {
      principal: caller,
      sourceArn: Stack.of(functions).formatArn({
        service: 'execute-api',
        resource: settings.existingApiId ?? '',
        resourceName: what,
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      }),
    });
  };
  for (const { method, path, function: binary } of ROUTES) {
    // The existing API has its own names between the braces.
    const pattern = path.slice(1).replace(/\{\w+\}/g, '*');
    allow(binary, `${method} ${path}`.replace(/\W+/g, '-'), `*/${method}/${pattern}`);
  }
  allow(AUTHORIZER, 'Authorizer', 'authorizers/*');
}
