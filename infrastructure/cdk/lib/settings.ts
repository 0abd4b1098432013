/**
 * The operator's settings, read from CDK context (`-c name=value`) and checked before anything is
 * made.
 */

import { Construct } from 'constructs';

/** A processor that Lambda has. */
export type Processor = 'arm64' | 'x86_64';

/** A kind of API of API Gateway. */
export type ApiKind = 'rest' | 'http';

/** The operator's settings. */
export interface Settings {
  /** The prefix of all names. Two stacks of one account and region need two prefixes. */
  readonly prefix: string;
  /** The API's stage: the first part of every path. */
  readonly stage: string;
  /** Which kind of API the stack has, if it has its own. An existing API is a REST API. */
  readonly api: ApiKind;
  /** OAuth clients whose ID tokens are accepted: the `aud` of a token. */
  readonly googleClientIds: string[];
  /** Clients that may have asked for the token (`azp`); empty: those of `googleClientIds`. */
  readonly googleAzp: string[];
  /** Where alarms and the budget's warnings go. */
  readonly alertEmail: string;
  /** US dollars a month; the warnings come at 80 % and when 100 % is forecast. 0: no budget. */
  readonly monthlyBudgetUsd: number;
  /** The functions' processor; the binaries must be built for it. */
  readonly processor: Processor;
  /** The folder that holds `<binary>/bootstrap`. */
  readonly binaries: string;
  /**
   * The schema file with the kinds of record, `.toml` or `.json`; if absent, pieces and sessions.
   */
  readonly schema?: string;
  /** Raise it by one after a restore from a backup; never lower it. */
  readonly generation: number;
  /** How long superseded versions are kept. */
  readonly retentionDays: number;
  /** Origins of web pages that may call from a browser; none if empty. */
  readonly corsOrigins: string[];
  /** The client id of the page that people open in a browser; if absent, there is no page. */
  readonly pageClientId?: string;
  /** The functions' log level: `error`, `warn`, `info`, `debug` or `trace`. */
  readonly log: string;
  /** How long logs are kept: one of the numbers that CloudWatch knows. */
  readonly logRetentionDays: number;
  /** How long the audit log is kept (who exported, imported or erased); the same numbers. */
  readonly auditDays: number;
  /** The key of the hashes that name users in logs; if absent, one is made of the stack's id. */
  readonly callerKey?: string;
  /** Hashes of users who are not let in. */
  readonly blocked: string[];
  /** What one account may cost; `undefined`: no limit. */
  readonly allowance?: Allowance;
  /** Requests per second that the stage lets through, over all users. */
  readonly requestsPerSecond: number;
  /** Requests in 5 minutes from one network address before it gets 429; 0: no limit, no firewall. */
  readonly requestsPerAddress: number;
  /** How many invocations each function may have at once; 0: its share of `accountConcurrency`. */
  readonly maxConcurrency: number;
  /** How many invocations the AWS account may have at once; 0: not known, so none are reserved. */
  readonly accountConcurrency: number;
  /** Whether tables and user pool outlive the stack and refuse deletion. */
  readonly keepData: boolean;
  /** The REST API whose methods will point to the functions; if absent, the stack has its own. */
  readonly existingApiId?: string;
  /** The name of that API in its metrics; if absent, no alarm watches it. */
  readonly existingApiName?: string;
  /** The user pool to write to; if absent, the stack has its own. */
  readonly existingUserPoolId?: string;
  /** Minutes between two calls of `/health` from outside; 0: none. */
  readonly probeMinutes: number;
  /** How many minutes one call in ten goes to a new version before all calls do; 0: all at once. */
  readonly canaryMinutes: number;
  /** The given settings, by name; `callerKey` without its value. */
  readonly given: Readonly<Record<string, string>>;
}

/** What one account may cost, in US dollars. */
export interface Allowance {
  /** At once. */
  readonly burst: number;
  /** Each day, for ever. */
  readonly perDay: number;
}

/** The values of settings that are left out. */
const STANDARD = {
  // The cheaper one. An API that phones call already is a REST API, and AWS cannot turn it into an
  // HTTP API.
  api: (context: Context) => (context.has('existingApiId') ? 'rest' : 'http'),
  // The processor for which CI builds, and on which it tests.
  processor: 'x86_64',
};

/** Reads the settings, or throws one error that lists everything that is wrong. */
export function readSettings(scope: Construct): Settings {
  const context = new Context(scope);
  const settings: Settings = {
    prefix: context.text('prefix', 'haumana', /^[a-z][a-z0-9-]{0,29}$/),
    stage: context.text('stage', 'prod', /^[A-Za-z0-9_]{1,128}$/),
    api: context.text('api', STANDARD.api(context), /^(rest|http)$/) as ApiKind,
    googleClientIds: context.list('googleClientIds', /^[A-Za-z0-9._-]+$/, 1),
    googleAzp: context.list('googleAzp', /^[A-Za-z0-9._-]+$/),
    alertEmail: context.text('alertEmail', undefined, /^[^\s@]+@[^\s@]+$/),
    monthlyBudgetUsd: context.number('monthlyBudgetUsd', 20, 0, 1_000_000),
    processor: context.text('processor', STANDARD.processor, /^(arm64|x86_64)$/) as Processor,
    binaries: context.text('binaries', '../../target/lambda', /./),
    schema: context.optional('schema', /\.(toml|json)$/),
    generation: context.number('generation', 0, 0, 2 ** 32 - 1),
    retentionDays: context.number('retentionDays', 90, 1, 36_500),
    corsOrigins: context.list('corsOrigins', /^(?!http:.*:80$|https:.*:443$)https?:\/\/[a-z0-9.-]+(:[1-9]\d{0,4})?$/),
    pageClientId: context.optional('pageClientId', /^[A-Za-z0-9._-]+$/),
    log: context.text('log', 'info', /^(error|warn|info|debug|trace)$/),
    logRetentionDays: context.number('logRetentionDays', 14, 1, 3653),
    auditDays: context.number('auditDays', 400, 1, 3653),
    callerKey: context.optional('callerKey', /^[\x21-\x7e]{16,128}$/),
    blocked: context.list('blocked', /^[0-9a-f]{16}$/),
    allowance: allowance(context.text('allowance', '1/0.10', ALLOWANCE)),
    requestsPerSecond: context.number('requestsPerSecond', 50, 1, 10_000),
    requestsPerAddress: context.number('requestsPerAddress', 0, 0, 2_000_000_000),
    maxConcurrency: context.number('maxConcurrency', 0, 0, 10_000),
    accountConcurrency: context.number('accountConcurrency', 0, 0, 1_000_000),
    keepData: context.text('keepData', 'true', /^(true|false)$/) === 'true',
    existingApiId: context.optional('existingApiId', /^[a-z0-9]+$/),
    existingApiName: context.optional('existingApiName', /./),
    existingUserPoolId: context.optional('existingUserPoolId', /^[a-z0-9-]+_[A-Za-z0-9]+$/),
    probeMinutes: context.number('probeMinutes', 0, 0, 1440),
    canaryMinutes: Number(context.text('canaryMinutes', '0', /^(0|5|10|15|30)$/)),
    given: context.given,
  };
  if (settings.api === 'http') {
    context.refuse(settings.existingApiId !== undefined, 'api: an existing API stays what it is; leave -c api=http out');
    context.refuse(0 < settings.requestsPerAddress, 'requestsPerAddress: AWS has no firewall for an HTTP API; leave it out, or -c api=rest');
    context.refuse(settings.stage !== 'prod', 'stage: an HTTP API has none in its address; leave it out, or -c api=rest');
  }
  // Noted even if it is not given, because another kind would be another address.
  context.given.api = settings.api;
  const { pageClientId } = settings;
  context.refuse(pageClientId !== undefined && !settings.googleClientIds.includes(pageClientId), 'pageClientId must be one of googleClientIds');
  context.refuse(pageClientId !== undefined && settings.existingApiId !== undefined, 'pageClientId: the page calls the API of this stack, and none beside it');
  context.throwProblems();
  return settings;
}

/** The text in the template instead of a secret setting. */
const SECRET = '(not shown)';

const ALLOWANCE = /^(none|\d+(\.\d+)?\/\d+(\.\d+)?)$/;

/** Reads `burst/per day`, in dollars. */
function allowance(text: string): Allowance | undefined {
  const [burst, perDay] = text.split('/').map(Number);
  return burst && perDay ? { burst, perDay } : undefined;
}

/** Reads one value after the other, and remembers what is wrong with them. */
class Context {
  /** What was found, by name. */
  readonly given: Record<string, string> = {};
  private readonly problems: string[] = [];

  constructor(private readonly scope: Construct) {}

  text(name: string, standard: string | undefined, form: RegExp): string {
    const value = this.raw(name) ?? standard;
    if (value === undefined) {
      this.problems.push(`${name} is missing: -c ${name}=...`);
      return '';
    }
    if (!form.test(value)) {
      this.problems.push(`${name} must match ${form.source}`);
    }
    return value;
  }

  optional(name: string, form: RegExp): string | undefined {
    return this.raw(name) === undefined ? undefined : this.text(name, undefined, form);
  }

  list(name: string, form: RegExp, atLeast = 0): string[] {
    const items = (this.raw(name) ?? '').split(',').map((item) => item.trim()).filter((item) => item);
    if (items.length < atLeast) {
      this.problems.push(`${name} is missing: -c ${name}=one,another`);
    }
    for (const item of items.filter((item) => !form.test(item))) {
      this.problems.push(`${name}: ${item} must match ${form.source}`);
    }
    return items;
  }

  number(name: string, standard: number, least: number, most: number): number {
    const text = this.raw(name);
    const value = text === undefined ? standard : Number(text);
    if (!Number.isInteger(value) || value < least || most < value) {
      this.problems.push(`${name} must be a whole number from ${least} to ${most}`);
    }
    return value;
  }

  /** Whether a setting is given. */
  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  /** Remembers a problem if settings do not fit together. */
  refuse(isWrong: boolean, problem: string): void {
    if (isWrong) {
      this.problems.push(problem);
    }
  }

  throwProblems(): void {
    if (0 < this.problems.length) {
      throw new Error(`settings of the stack:\n- ${this.problems.join('\n- ')}`);
    }
  }

  /** An empty value counts as not given, so that a script can pass a variable that is not set. */
  private raw(name: string): string | undefined {
    const value: unknown = this.scope.node.tryGetContext(name);
    if (value === undefined || value === '') {
      return undefined;
    }
    this.given[name] = name === 'callerKey' ? SECRET : String(value);
    return String(value);
  }
}
