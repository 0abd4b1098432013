/** Helpers of the tests. */

import { App, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { readSettings } from '../lib/settings';
import { HaumanaStack } from '../lib/stack';

/** Context: the values of `-c`. */
export type Context = Record<string, string>;

/** A resource of a template, with names as CloudFormation writes them. */
export type Resource = { Type: string; Properties: any; [key: string]: unknown };

/** The required settings, and the kind of API of most tests. */
const NEEDED = { googleClientIds: 'app.example,web.example', alertEmail: 'kumu@example.org', api: 'rest' };

/** Makes the stack. cdk-nag has not checked it yet. */
export function stack(context: Context = {}): { app: App; stack: HaumanaStack } {
  const app = new App({ context: { ...NEEDED, ...context } });
  return { app, stack: new HaumanaStack(app, 'Haumana', readSettings(app)) };
}

const made = new Map<string, Template>();

/** Makes the template, once for each context. */
export function template(context: Context = {}): Template {
  const key = JSON.stringify(context);
  const known = made.get(key) ?? Template.fromStack(stack(context).stack);
  made.set(key, known);
  return known;
}

/** Returns every resource of a type. */
export function all(from: Template, type: string): Resource[] {
  return Object.values(from.findResources(type)) as Resource[];
}

/** Lets cdk-nag check the app. Throws if it finds something without an explanation. */
export function check(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
}
