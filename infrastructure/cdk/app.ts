/** The CDK app: reads the settings, makes the stack, and lets cdk-nag look at it. */

import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { readSettings } from './lib/settings';
import { HaumanaStack } from './lib/stack';

const app = new App();
const settings = readSettings(app);
// Account and region come with the credentials at deployment, so that synthesis needs neither.
new HaumanaStack(app, 'Haumana', settings, { stackName: `${settings.prefix}-sync` });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
