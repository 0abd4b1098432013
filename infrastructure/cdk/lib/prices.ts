/**
 * AWS's prices for the services that the stack uses, in US dollars, in us-east-1.
 *
 * Each price is on the page that is named beside it. These pages fill in the figures in the
 * browser. So the figures were read on 2026-11-28 from copies, on the pages that the comments name.
 *
 * Amounts that are free for ever are subtracted: `FREE`. Amounts that are free for the first twelve
 * months of an AWS account (a million calls of API Gateway a month) are not.
 */

/** https://aws.amazon.com/dynamodb/pricing/on-demand/; see also `benches/src/cost.rs`. */
export const DYNAMODB = { readMillion: 0.125, writeMillion: 0.625, storageGb: 0.25, recoveryGb: 0.20 };

/**
 * REST APIs, up to 333 million calls a month, and beyond: https://aws.amazon.com/api-gateway/pricing/,
 * as https://docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html
 * has them. Calls that an authorizer or the throttle refuses are not charged.
 */
export const API_GATEWAY = [
  { upToMillions: 333, million: 3.50 }, { upToMillions: 1_000, million: 2.80 },
  { upToMillions: 20_000, million: 2.38 }, { upToMillions: Infinity, million: 1.51 },
];

/**
 * HTTP APIs, up to 300 million calls a month, and beyond. A call is counted once for each begun 512
 * KB of its body. The same page of AWS's documentation, read on 2026-11-29.
 */
export const HTTP_API = [{ upToMillions: 300, million: 1.00 }, { upToMillions: Infinity, million: 0.90 }];
export const HTTP_API_METERED_BYTES = 512 * 1024;

/** By processor: https://aws.amazon.com/lambda/pricing/. */
export const LAMBDA = { million: 0.20, gbSecond: { x86_64: 0.0000166667, arm64: 0.0000133334 } };

/**
 * https://aws.amazon.com/cloudwatch/pricing/; metrics up to 10,000, and alarms of standard
 * resolution. Also on https://cloudburn.io/blog/amazon-cloudwatch-pricing (February 2026).
 */
export const CLOUDWATCH = { logGb: 0.50, logStorageGb: 0.03, metric: 0.30, alarmMetric: 0.10, dashboard: 3.00 };

/** https://aws.amazon.com/waf/pricing/. */
export const WAF = { acl: 5.00, rule: 1.00, million: 0.60 };

/** Lite, for users beyond the free ones: https://aws.amazon.com/cognito/pricing/. */
export const COGNITO = [
  { upTo: 100_000, user: 0.0055 }, { upTo: 1_000_000, user: 0.0046 }, { upTo: Infinity, user: 0.00325 },
];

/** To the internet, up to 10 TB a month and beyond: https://aws.amazon.com/ec2/pricing/on-demand/. */
export const TRANSFER = [
  { upToGb: 10_240, gb: 0.09 }, { upToGb: 51_200, gb: 0.085 }, { upToGb: 153_600, gb: 0.07 },
  { upToGb: Infinity, gb: 0.05 },
];

/** The programs, where `cdk deploy` puts them: https://aws.amazon.com/s3/pricing/. */
export const S3 = { gb: 0.023 };

/** Free each month, for every account and for ever; the same pages, and https://aws.amazon.com/free/. */
export const FREE = {
  lambdaMillions: 1,
  lambdaGbSeconds: 400_000,
  logGb: 5,
  metrics: 10,
  alarmMetrics: 10,
  dashboards: 3,
  dashboardMetrics: 50,
  tableGb: 25,
  transferGb: 100,
  cognitoUsers: 10_000,
};
