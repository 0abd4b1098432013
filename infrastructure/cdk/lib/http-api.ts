/**
 * The stack's own HTTP API, unless `-c api=rest` is given. It is cheaper than the REST API, and
 * only passes requests on.
 *
 * It asks no authorizer and answers almost nothing by itself. The functions verify the tokens, and
 * requests for unknown paths go to a function that refuses them. So callers get the same replies as
 * from the REST API; a test of `haumana-lambda` compares them. It has no access log, since the
 * function's own line has everything about a call. Three things are missing: a firewall (AWS has
 * none for HTTP APIs), a `Deny` that costs nothing, and our own texts for requests that API Gateway
 * itself refuses: 413 above 10 MB, 429 above the throttle, and 5xx.
 */

import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as gateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { AnyApi, apiName, signInRate } from './api';
import { explain } from './findings';
import { Functions } from './functions';
import { ROUTES } from './routes';
import { Settings } from './settings';

/** The function that answers unknown paths and preflights. */
const ALL_ELSE = 'sync-lambda';
const SIGN_IN = 'POST /auth/sync';

/** The HTTP API, its routes and its one stage. */
export class HttpApi extends Construct implements AnyApi {
  readonly url: string;
  readonly answers: cloudwatch.Metric[];
  readonly serverErrors: cloudwatch.Metric;
  private readonly integrations = new Map<string, gateway.CfnIntegration>();
  private readonly api: gateway.CfnApi;

  constructor(scope: Construct, id: string, settings: Settings, functions: Functions) {
    super(scope, id);
    this.api = new gateway.CfnApi(this, 'Http', {
      name: apiName(settings),
      description: 'The sync API of haumana-sync.',
      protocolType: 'HTTP',
    });
    const routes = ROUTES.map((route) => this.addRoute(`${route.method} ${route.path}`, functions, route.function));
    routes.push(this.addRoute('$default', functions, ALL_ELSE));
    const rate = settings.requestsPerSecond;
    const stage = new gateway.CfnStage(this, 'Stage', {
      apiId: this.api.ref,
      // Another name would be in every path, in the address and in the event.
      stageName: '$default',
      autoDeploy: true,
      defaultRouteSettings: { throttlingRateLimit: rate, throttlingBurstLimit: rate * 2 },
      routeSettings: {
        [SIGN_IN]: { ThrottlingRateLimit: signInRate(settings), ThrottlingBurstLimit: signInRate(settings) * 2 },
      },
    });
    // A stage cannot throttle a route that does not exist yet.
    routes.forEach((route) => stage.addResourceDependency(route));
    explain(stage, 'AwsSolutions-APIG1', 'Every call reaches a function, whose line says all that an access log would.');
    this.url = `${this.api.attrApiEndpoint}/`;
    const metric = (metricName: string, statistic: string) => new cloudwatch.Metric({
      namespace: 'AWS/ApiGateway', metricName, statistic, dimensionsMap: { ApiId: this.api.ref },
    });
    this.answers = [metric('Count', 'SampleCount'), metric('4xx', 'Sum'), metric('5xx', 'Sum')];
    this.serverErrors = metric('5xx', 'Average');
  }

  get origin(): string {
    return this.api.attrApiEndpoint;
  }

  private addRoute(routeKey: string, functions: Functions, binary: string): gateway.CfnRoute {
    const known = this.integrations.get(binary);
    const integration = known ?? this.addIntegration(binary, functions.live(binary));
    const route = new gateway.CfnRoute(this, `Route ${routeKey}`.replace(/\W+/g, '-'), {
      apiId: this.api.ref,
      routeKey,
      authorizationType: 'NONE',
      target: `integrations/${integration.ref}`,
    });
    explain(route, 'AwsSolutions-APIG4', 'The function verifies the token itself, where the call needs one.');
    return route;
  }

  /** Each function may be called by this API alone. */
  private addIntegration(binary: string, live: lambda.Alias): gateway.CfnIntegration {
    const integration = new gateway.CfnIntegration(this, `To ${binary}`, {
      apiId: this.api.ref,
      integrationType: 'AWS_PROXY',
      integrationUri: live.functionArn,
      // The event of REST APIs, which the functions read.
      payloadFormatVersion: '1.0',
    });
    live.addPermission(`HttpApi ${binary}`, {
      principal: new iam.ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: Stack.of(this).formatArn({
        service: 'execute-api', resource: this.api.ref, resourceName: '*/*',
        arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
      }),
    });
    this.integrations.set(binary, integration);
    return integration;
  }
}
