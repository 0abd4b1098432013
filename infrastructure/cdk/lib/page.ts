/** The page for people, on S3 and CloudFront. `../page` uploads the files. */

import { CfnOutput, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { explain } from './findings';
import { HOME } from './routes';
import { Settings } from './settings';

/** Headers by directive. `google` is allowed in addition. */
type Headers = Record<'policy' | 'google', Record<string, string>>;

/** The headers that every host of the page sends: `haumana-server` reads the same file. */
const HEADERS = path.join(HOME, '../../haumana-web/page/headers.json');

/**
 * Returns the page's content security policy. It names the origin of the API, which is another one.
 */
export function policy(api: string): string {
  const { policy, google } = JSON.parse(readFileSync(HEADERS, 'utf8')) as Headers;
  const directives = [...new Set([...Object.keys(policy), ...Object.keys(google)])].sort();
  return directives.map((directive) => {
    const sources = [policy[directive], google[directive], directive === 'connect-src' ? api : undefined];
    return `${directive} ${sources.filter((one) => one !== undefined).join(' ')}`;
  }).join('; ');
}

/**
 * Adds the page if the settings ask for it, and returns its origin. `api`: the origin that the page
 * calls.
 */
export function addPage(stack: Stack, settings: Settings, api: string): string | undefined {
  if (settings.pageClientId === undefined) {
    return undefined;
  }
  const scope = new Construct(stack, 'Page');
  const bucket = new s3.Bucket(scope, 'Files', {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    encryption: s3.BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    // A bucket with files cannot be deleted with the stack. The files are in the repository.
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const distribution = new cloudfront.Distribution(scope, 'Distribution', {
    comment: `${settings.prefix}: the page`,
    defaultRootObject: 'index.html',
    priceClass: cloudfront.PriceClass.PRICE_CLASS_100,
    httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
    defaultBehavior: {
      origin: S3BucketOrigin.withOriginAccessControl(bucket),
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
      allowedMethods: cloudfront.AllowedMethods.ALLOW_GET_HEAD,
      // Files say `no-cache`, so new ones are visible within a second. Text is compressed.
      cachePolicy: cloudfront.CachePolicy.CACHING_OPTIMIZED,
      compress: true,
      responseHeadersPolicy: headers(scope, api),
    },
  });
  explainPage(bucket, distribution);
  const output = (name: string, value: string) => new CfnOutput(stack, name, { value });
  output('PageUrl', `https://${distribution.distributionDomainName}/`);
  output('PageBucket', bucket.bucketName);
  output('PageDistribution', distribution.distributionId);
  output('PageClientId', settings.pageClientId);
  return `https://${distribution.distributionDomainName}`;
}

function headers(scope: Construct, api: string): cloudfront.ResponseHeadersPolicy {
  return new cloudfront.ResponseHeadersPolicy(scope, 'Headers', {
    comment: 'What haumana-server sends with the page',
    securityHeadersBehavior: {
      contentSecurityPolicy: { contentSecurityPolicy: policy(api), override: true },
      contentTypeOptions: { override: true },
      referrerPolicy: { referrerPolicy: cloudfront.HeadersReferrerPolicy.STRICT_ORIGIN, override: true },
      strictTransportSecurity: { accessControlMaxAge: Duration.days(365), override: true },
    },
  });
}

function explainPage(bucket: s3.Bucket, distribution: cloudfront.Distribution): void {
  explain(bucket, 'AwsSolutions-S1', 'It holds the files of the page, which are public; only CloudFront reads them.');
  explain(distribution, 'AwsSolutions-CFR1', 'People open it from anywhere.');
  explain(distribution, 'AwsSolutions-CFR2', 'A firewall costs 6 $ a month, and there is nothing here but files.');
  explain(distribution, 'AwsSolutions-CFR3', 'The log would hold addresses of people.');
  explain(distribution, 'AwsSolutions-CFR4', 'The certificate is CloudFront\'s own, with which no other policy can be chosen; browsers that run the page speak TLS 1.2 and later.');
}
