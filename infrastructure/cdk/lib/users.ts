/** The user directory: who has an account. Nobody signs in to it; Google does that. */

import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import { Construct } from 'constructs';
import { explain } from './findings';
import { Settings } from './settings';

/** Returns the user pool that `auth-sync-lambda` writes to: an existing one, or the stack's own. */
export function userPool(scope: Construct, settings: Settings): cognito.IUserPool {
  if (settings.existingUserPoolId !== undefined) {
    return cognito.UserPool.fromUserPoolId(scope, 'Users', settings.existingUserPoolId);
  }
  const mutable = { required: false, mutable: true };
  const pool = new cognito.UserPool(scope, 'Users', {
    userPoolName: `${settings.prefix}-users`,
    // The cheapest plan has everything that is used. By default a new pool gets a more expensive
    // one.
    featurePlan: cognito.FeaturePlan.LITE,
    // The name is `google_<sub>`. Not the e-mail address: it may change hands.
    signInAliases: { username: true },
    signInCaseSensitive: true,
    selfSignUpEnabled: false,
    accountRecovery: cognito.AccountRecovery.NONE,
    // An attribute that is not mutable from the start can never become mutable.
    standardAttributes: {
      email: mutable,
      fullname: mutable,
      profilePicture: mutable,
      lastUpdateTime: mutable,
    },
    passwordPolicy: {
      minLength: 12,
      requireLowercase: true,
      requireUppercase: true,
      requireDigits: true,
      requireSymbols: true,
      tempPasswordValidity: Duration.days(1),
    },
    deletionProtection: settings.keepData,
    removalPolicy: settings.keepData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
  explain(pool, 'AwsSolutions-COG2', 'Nobody signs in here: the pool has no client, and Google asks for the second factor.');
  explain(pool, 'AwsSolutions-COG8', 'The Plus plan is for protecting sign-ins, and nobody signs in here.');
  return pool;
}
