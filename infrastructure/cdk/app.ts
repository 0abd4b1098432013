/** The CDK app: reads the settings, makes the stack, and lets cdk-nag check it. */

import { Annotations, App, Stack, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { forgotten, lastGiven } from './lib/guard';
import { readSettings, Settings } from './lib/settings';
import { HaumanaStack } from './lib/stack';

const app = new App();
const settings = settingsOrRefusal();
if (settings !== undefined) {
  const stackName = `${settings.prefix}-sync`;
  // Account and region come from the credentials at deployment, so that synthesis needs neither.
  const stack = new HaumanaStack(app, 'Haumana', settings, { stackName });
  guard(stack, stackName, settings);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
}

/**
 * Without its settings there is no stack. Commands that need none, such as `cdk bootstrap`, still
 * work. An error on a stack stops every command that would use it.
 */
function settingsOrRefusal(): Settings | undefined {
  try {
    return readSettings(app);
  } catch (error) {
    const nothing = new Stack(app, 'Haumana', { stackName: 'haumana-without-settings' });
    Annotations.of(nothing).addError((error as Error).message);
    return undefined;
  }
}

/** Only if there are credentials: a synthesis without them is compared with nothing. */
function guard(stack: Stack, stackName: string, { given }: Settings): void {
  if (process.env.CDK_DEFAULT_ACCOUNT === undefined || app.node.tryGetContext('unguarded') === 'true') {
    return;
  }
  const forget = String(app.node.tryGetContext('forget') ?? '').split(',');
  try {
    for (const one of forgotten(lastGiven(stackName), given, forget)) {
      Annotations.of(stack).addError(one);
    }
  } catch (error) {
    Annotations.of(stack).addError((error as Error).message);
  }
}
