/** The stack's own REST API. An existing one is not changed here: see `../../move`. */

import { ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { explain } from './findings';
import { AUTHORIZER, Functions } from './functions';
import { addGatewayResponses } from './gateway-responses';
import { Route, ROUTES } from './routes';
import { Settings } from './settings';

/**
 * A token is three parts of base64url; any other text never reaches the authorizer. The scheme may
 * be in any case.
 */
export const TOKEN_FORM = '^[Bb][Ee][Aa][Rr][Ee][Rr] [A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$';
/** How long the verdict on a token is kept; the functions check `exp` again. */
export const VERDICT_MINUTES = 5;

/** How cdk-nag writes the ARN of every log of the region. */
const EVERY_LOG = 'arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:*';

/** The stack's own API, of either kind. */
export interface AnyApi {
  /** Its address, with a slash at the end. */
  readonly url: string;
  /** The origin of its address. It must not need any other part of the API. */
  readonly origin: string;
  /** The log with a line for each call, if the API writes one. */
  readonly accessLog?: logs.LogGroup;
  /** All calls, and those that were answered with 4xx and 5xx. */
  readonly answers: cloudwatch.Metric[];
  /** The rate of 5xx. */
  readonly serverErrors: cloudwatch.Metric;
}

/** The REST API, its authorizer and its access log. */
export class Api extends Construct implements AnyApi {
  readonly rest: apigateway.RestApi;
  readonly accessLog: logs.LogGroup;
  readonly url: string;
  readonly answers: cloudwatch.Metric[];
  readonly serverErrors: cloudwatch.Metric;
  private readonly authorizer: apigateway.TokenAuthorizer;

  constructor(scope: Construct, id: string, settings: Settings, functions: Functions) {
    super(scope, id);
    const name = apiName(settings);
    this.accessLog = new logs.LogGroup(this, 'AccessLog', {
      logGroupName: `/haumana/${name}/access`,
      retention: settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.rest = new apigateway.RestApi(this, 'Rest', {
      restApiName: name,
      description: 'The sync API of haumana-sync.',
      endpointTypes: [apigateway.EndpointType.REGIONAL],
      // Bodies arrive as base64, byte for byte. As text, API Gateway would garble compressed
      // bodies.
      binaryMediaTypes: ['*/*'],
      cloudWatchRole: false,
      deployOptions: {
        stageName: settings.stage,
        throttlingRateLimit: settings.requestsPerSecond,
        throttlingBurstLimit: settings.requestsPerSecond * 2,
        methodOptions: { '/auth/sync/POST': withoutToken(settings) },
        accessLogDestination: new apigateway.LogGroupLogDestination(this.accessLog),
        accessLogFormat: accessLogFormat(name),
        // The execution log would hold tokens and lyrics.
        loggingLevel: apigateway.MethodLoggingLevel.OFF,
        dataTraceEnabled: false,
      },
    });
    this.authorizer = new apigateway.TokenAuthorizer(this, 'Authorizer', {
      authorizerName: `${settings.prefix}-${AUTHORIZER}`,
      handler: functions.live(AUTHORIZER),
      identitySource: apigateway.IdentitySource.header('Authorization'),
      validationRegex: TOKEN_FORM,
      resultsCacheTtl: Duration.minutes(VERDICT_MINUTES),
    });
    this.rest.deploymentStage.node.addDependency(loggingRole(this));
    addGatewayResponses(this.rest, settings);
    ROUTES.forEach((route) => this.addRoute(route, functions));
    if (0 < settings.corsOrigins.length) {
      this.addPreflights(functions);
    }
    explainApi(this);
    this.url = this.rest.url;
    this.answers = [this.rest.metricCount(), this.rest.metricClientError(), this.rest.metricServerError()];
    this.serverErrors = restServerErrors(name);
  }

  get origin(): string {
    const { region, urlSuffix } = Stack.of(this);
    return `https://${this.rest.restApiId}.execute-api.${region}.${urlSuffix}`;
  }

  private addRoute(route: Route, functions: Functions): void {
    const resource = this.rest.root.resourceForPath(route.path);
    const integration = new apigateway.LambdaIntegration(functions.live(route.function), {
      allowTestInvoke: false,
    });
    const method = resource.addMethod(route.method, integration, route.token
      ? { authorizer: this.authorizer, authorizationType: apigateway.AuthorizationType.CUSTOM }
      : { authorizationType: apigateway.AuthorizationType.NONE });
    if (!route.token) {
      explain(method, 'AwsSolutions-APIG4', 'Open by design: signing in brings its token in the body, and the others tell nothing of anyone.');
    }
  }

  /** Lets the functions answer preflights, so that the list of origins is in one place. */
  private addPreflights(functions: Functions): void {
    const integration = new apigateway.LambdaIntegration(functions.live('sync-lambda'), {
      allowTestInvoke: false,
    });
    for (const path of new Set(ROUTES.map((route) => route.path))) {
      const method = this.rest.root.resourceForPath(path).addMethod('OPTIONS', integration, {
        authorizationType: apigateway.AuthorizationType.NONE,
      });
      explain(method, 'AwsSolutions-APIG4', 'Browsers send no token with a preflight.');
    }
  }
}

/** The API's name, which is also in its metrics. */
export function apiName(settings: Settings): string {
  return `${settings.prefix}-api`;
}

/** AWS says that the average of this metric is the rate: each call counts as 0 or 1. */
export function restServerErrors(name: string): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: 'AWS/ApiGateway', metricName: '5XXError', dimensionsMap: { ApiName: name }, statistic: 'Average',
  });
}

/** Calls without a token get a fifth of the rate: signing in is rare, and verifying costs us. */
export function signInRate(settings: Settings): number {
  return Math.max(1, Math.floor(settings.requestsPerSecond / 5));
}

function withoutToken(settings: Settings): apigateway.MethodDeploymentOptions {
  const rate = signInRate(settings);
  return {
    throttlingRateLimit: rate,
    throttlingBurstLimit: rate * 2,
    loggingLevel: apigateway.MethodLoggingLevel.OFF,
    dataTraceEnabled: false,
  };
}

/**
 * It has no tokens, no user ids and no addresses: the path is the pattern, and the caller is a
 * hash.
 */
function accessLogFormat(api: string): apigateway.AccessLogFormat {
  return apigateway.AccessLogFormat.custom(JSON.stringify({
    api,
    requestId: '$context.requestId',
    caller: '$context.authorizer.caller',
    time: '$context.requestTime',
    method: '$context.httpMethod',
    route: '$context.resourcePath',
    status: '$context.status',
    ms: '$context.responseLatency',
    functionMs: '$context.integration.latency',
    // With this id Lambda's own lines can be found, such as that of a time-out.
    functionId: '$context.integration.requestId',
    bytesOut: '$context.responseLength',
    failure: '$context.error.responseType',
  }));
}

/**
 * Lets API Gateway write logs. The setting is for the whole region of the account. So it stays when
 * the stack is deleted: another API may rely on it by then.
 */
function loggingRole(scope: Construct): apigateway.CfnAccount {
  const role = new iam.Role(scope, 'LoggingRole', {
    assumedBy: new iam.ServicePrincipal('apigateway.amazonaws.com'),
    inlinePolicies: {
      logs: new iam.PolicyDocument({
        statements: [new iam.PolicyStatement({
          actions: [
            'logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:DescribeLogGroups',
            'logs:DescribeLogStreams', 'logs:PutLogEvents', 'logs:GetLogEvents', 'logs:FilterLogEvents',
          ],
          resources: [Stack.of(scope).formatArn({
            service: 'logs', resource: 'log-group', resourceName: '*',
            arnFormat: ArnFormat.COLON_RESOURCE_NAME,
          })],
        })],
      }),
    },
  });
  role.applyRemovalPolicy(RemovalPolicy.RETAIN);
  explain(role, `AwsSolutions-IAM5[Resource::${EVERY_LOG}]`, 'The setting is for every API of the region, and API Gateway asks for these actions on all logs.');
  const account = new apigateway.CfnAccount(scope, 'Logging', { cloudWatchRoleArn: role.roleArn });
  account.applyRemovalPolicy(RemovalPolicy.RETAIN);
  return account;
}

function explainApi(api: Api): void {
  explain(api, 'AwsSolutions-APIG2', 'The functions check every body and answer record by record; a validator would refuse it whole.');
  explain(api, 'AwsSolutions-APIG6', 'The execution log would hold tokens and lyrics; the access log has what is needed.');
  explain(api, 'AwsSolutions-COG4', 'Where tokens are needed they are Google\'s, not Cognito\'s: google-token-authorizer verifies them.');
}
