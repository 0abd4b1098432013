/**
 * The six Lambda functions. Each has its own log, and a role with exactly the rights that it needs.
 */

import { Annotations, Aws, Duration, Fn, RemovalPolicy } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { code, SchemaFile, schemaFile } from './binaries';
import { namespaceOf } from './metrics';
import { Settings } from './settings';
import { INDEX, tablePrefix, Tables } from './tables';

/** What a function may do with the tables. */
type Access = 'none' | 'sync' | 'sync and erase';

/** What one binary needs. */
export interface Needs {
  readonly access: Access;
  /** Whether it needs Google's clients to verify tokens. */
  readonly verifies: boolean;
  /** Its actions in the user directory. */
  readonly directory: string[];
  readonly memoryMb: number;
  readonly timeoutSecs: number;
  /** Its part of the invocations that the account may run at once. */
  readonly share: number;
  /** The program that it runs, if it is not its own. */
  readonly program?: string;
  /** Whether its program needs the user pool's id, whatever rights it has there. */
  readonly pool?: boolean;
  /** Whether its log is the audit log, and is kept as long as that. */
  readonly audit?: boolean;
}

// LIMIT: API Gateway gives up after 29 s. A function that ends earlier can still answer 503.
const SYNC_TIMEOUT_SECS = 28;
// A function's share of a processor grows with its memory. Merging needs the processor.
const SYNC_MEMORY_MB = 512;

const CREATE_USER = ['AdminGetUser', 'AdminCreateUser', 'AdminUpdateUserAttributes'];
// LIMIT: Lambda keeps this many invocations for functions that reserve none.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html, read 2026-11-28.
const UNRESERVED = 100;
/** With fewer than this for all functions together, each would have too few to be useful. */
const LEAST_RESERVED = 60;
/** More than all functions need. The rest is for other programs in the account. */
const MOST_RESERVED = 400;

const phones = { verifies: false, directory: [], memoryMb: SYNC_MEMORY_MB, timeoutSecs: SYNC_TIMEOUT_SECS };

/** The functions, by name. */
export const BINARIES: Readonly<Record<string, Needs>> = {
  'sync-pieces-lambda': { ...phones, access: 'sync', share: 0.25 },
  'sync-sessions-lambda': { ...phones, access: 'sync', share: 0.2, program: 'sync-pieces-lambda' },
  'sync-lambda': { ...phones, access: 'sync', pool: true, share: 0.15 },
  // Exports, imports and erasures: the same program, with its own rights, its own limit and its own
  // log.
  'account-lambda': {
    ...phones, access: 'sync and erase', directory: ['AdminDeleteUser'], share: 0.05,
    program: 'sync-lambda', audit: true,
  },
  'auth-sync-lambda': {
    access: 'none', verifies: true, directory: CREATE_USER, memoryMb: 256, timeoutSecs: 15, share: 0.1,
  },
  'google-token-authorizer': {
    access: 'none', verifies: true, directory: [], memoryMb: 256, timeoutSecs: 10, share: 0.25,
  },
};

/** The binary that verifies callers. All others answer them. */
export const AUTHORIZER = 'google-token-authorizer';

/**
 * The version that callers get. To go back, point it at an earlier one: `../../move/versions.py`.
 */
export const LIVE = 'live';

/** The binaries of a stack. If no API asks an authorizer, there is none. */
export function binariesOf(settings: Settings): string[] {
  return Object.keys(BINARIES).filter((binary) => settings.api === 'rest' || binary !== AUTHORIZER);
}

/** What the functions work with. */
export interface Surroundings {
  readonly settings: Settings;
  readonly tables: Tables;
  readonly users: cognito.IUserPool;
}

/** What all functions share. */
interface Shared extends Surroundings {
  /** The kinds of record, if they are not pieces and sessions. */
  readonly schema?: SchemaFile;
}

/** The functions of one deployment. */
export class Functions extends Construct {
  /** The binaries. */
  readonly names: readonly string[];
  private readonly functions = new Map<string, One>();

  private readonly settings: Settings;

  constructor(scope: Construct, id: string, surroundings: Surroundings) {
    super(scope, id);
    const { settings } = surroundings;
    this.settings = settings;
    const shared = { ...surroundings, schema: schemaFile(this, settings) };
    if (settings.accountConcurrency + settings.maxConcurrency === 0) {
      Annotations.of(this).addWarningV2(
        'haumana:no-concurrency',
        'nothing is reserved for any function: say how many invocations the account may have at once, -c accountConcurrency=...',
      );
    }
    this.names = binariesOf(settings);
    for (const binary of this.names) {
      this.functions.set(binary, new One(this, binary, needsOf(binary), shared));
    }
  }

  /** The function of a binary. */
  get(binary: string): lambda.Function {
    return this.one(binary).handler;
  }

  /** The version of it that callers get. */
  live(binary: string): lambda.Alias {
    return this.one(binary).live;
  }

  /** All of them. */
  get all(): lambda.Function[] {
    return [...this.functions.values()].map((one) => one.handler);
  }

  /** The functions that verify tokens. */
  get verifying(): string[] {
    return this.names.filter((binary) => verifies(binary, this.settings));
  }

  private one(binary: string): One {
    const found = this.functions.get(binary);
    if (found === undefined) {
      throw new Error(`there is no function ${binary}`);
    }
    return found;
  }
}

function needsOf(binary: string): Needs {
  const needs = BINARIES[binary];
  if (needs === undefined) {
    throw new Error(`there is no binary ${binary}`);
  }
  return needs;
}

/** Whether a function needs Google's keys. If there is no authorizer before them, all do. */
function verifies(binary: string, settings: Settings): boolean {
  return settings.api === 'http' || needsOf(binary).verifies;
}

/** One function with what belongs to it. */
class One extends Construct {
  readonly handler: lambda.Function;
  readonly live: lambda.Alias;

  constructor(scope: Construct, binary: string, needs: Needs, shared: Shared) {
    super(scope, binary);
    const { settings, tables, users, schema } = shared;
    const functionName = `${settings.prefix}-${binary}`;
    const logGroup = new logs.LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: needs.audit ? settings.auditDays : settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
    });
    logGroup.grantWrite(role);
    grantTables(role, tables, needs.access);
    if (0 < needs.directory.length) {
      users.grant(role, ...needs.directory.map((action) => `cognito-idp:${action}`));
    }
    this.handler = new lambda.Function(this, 'Function', {
      functionName,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: settings.processor === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: 'bootstrap',
      code: code(this, needs.program ?? binary, settings),
      layers: schema !== undefined && keepsRecords(needs) ? [schema.layer] : undefined,
      role,
      logGroup,
      memorySize: needs.memoryMb,
      timeout: Duration.seconds(needs.timeoutSecs),
      reservedConcurrentExecutions: reserved(needs, settings),
      environment: environment(binary, needs, shared),
      // Earlier versions stay, so that one can go back: about 6 MB each, of the 75 GB that an
      // account has free.
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
    });
    this.live = new lambda.Alias(this, 'Live', { aliasName: LIVE, version: this.handler.currentVersion });
  }
}

/**
 * The invocations that are reserved for a function, so that neither other functions of the account
 * nor other calls of this API can take them. So a flood of one call leaves the others theirs.
 * `undefined`: nothing is reserved.
 */
export function reserved(needs: Needs, settings: Settings): number | undefined {
  if (0 < settings.maxConcurrency) {
    return settings.maxConcurrency;
  }
  const free = settings.accountConcurrency - UNRESERVED;
  return free < LEAST_RESERVED ? undefined : Math.floor(needs.share * Math.min(free, MOST_RESERVED));
}

/** Whether a function answers from the tables. */
function keepsRecords(needs: Needs): boolean {
  return needs.access !== 'none';
}

/** Only the variables that the function reads, so that the console shows what matters to it. */
function environment(binary: string, needs: Needs, { settings, users, schema }: Shared): Record<string, string> {
  const variables: Record<string, string> = {
    AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true',
    HAUMANA_LOG: settings.log,
    HAUMANA_METRICS: namespaceOf(settings),
    HAUMANA_CALLER_KEY: callerKey(settings),
  };
  if (keepsRecords(needs)) {
    if (schema !== undefined) {
      variables.HAUMANA_SCHEMA = schema.name;
    }
    variables.HAUMANA_TABLE_PREFIX = tablePrefix(settings);
    variables.HAUMANA_GENERATION = String(settings.generation);
    variables.HAUMANA_RETENTION_DAYS = String(settings.retentionDays);
    if (settings.allowance !== undefined) {
      const { burst, perDay } = settings.allowance;
      variables.HAUMANA_ALLOWANCE = `${millionths(burst)}/${millionths(perDay)}`;
    }
  }
  if (verifies(binary, settings)) {
    variables.HAUMANA_GOOGLE_CLIENT_IDS = settings.googleClientIds.join(',');
    if (0 < settings.googleAzp.length) {
      variables.HAUMANA_GOOGLE_AZP = settings.googleAzp.join(',');
    }
  }
  // An existing API passes on text only: its binary media types also apply to its other callers.
  if (binary !== AUTHORIZER && settings.existingApiId === undefined) {
    variables.HAUMANA_BINARY_REPLIES = 'true';
  }
  if (0 < needs.directory.length || needs.pool) {
    variables.HAUMANA_USER_POOL_ID = users.userPoolId;
  }
  const isAsked = settings.api === 'http' ? keepsRecords(needs) : binary === AUTHORIZER;
  if (settings.api === 'http' && isAsked) {
    variables.HAUMANA_VERIFY = 'true';
  }
  if (isAsked && 0 < settings.blocked.length) {
    variables.HAUMANA_BLOCKED = settings.blocked.join(',');
  }
  if (binary !== AUTHORIZER && 0 < settings.corsOrigins.length) {
    variables.HAUMANA_CORS_ORIGINS = settings.corsOrigins.join(',');
  }
  return variables;
}

/**
 * The key of the hashes that name users in logs. The stack's id ends with a random UUID that never
 * changes while the stack exists. It costs nothing and needs no setting. But everybody who may
 * describe the stack knows it.
 */
function callerKey(settings: Settings): string {
  return settings.callerKey ?? Fn.select(2, Fn.split('/', Aws.STACK_ID));
}

function millionths(dollars: number): number {
  return Math.max(1, Math.round(dollars * 1e6));
}

const READ = ['GetItem', 'BatchGetItem', 'Query'];
// TransactWriteItems is not an action of its own, but its parts are. BatchWriteItem is one.
const KEEP = ['PutItem', 'UpdateItem', 'ConditionCheckItem'];
const DELETE = ['DeleteItem', 'BatchWriteItem'];

/**
 * Lists actions and resources one by one: no Scan, no DeleteTable, no index that is added later. A
 * commit deletes items only from the history (those past their retention). Records are deleted only
 * by an erasure.
 */
function grantTables(role: iam.Role, tables: Tables, access: Access): void {
  if (access === 'none') {
    return;
  }
  const deleting = access === 'sync and erase' ? DELETE : [];
  const records = [tables.pieces, tables.sessions];
  grant(role, [...READ, ...KEEP, ...deleting], records.map((table) => table.tableArn));
  grant(role, ['Query'], records.map((table) => `${table.tableArn}/index/${INDEX}`));
  grant(role, [...READ, ...KEEP, ...DELETE], [tables.history.tableArn]);
}

function grant(role: iam.Role, actions: string[], resources: string[]): void {
  role.addToPolicy(new iam.PolicyStatement({
    actions: actions.map((action) => `dynamodb:${action}`),
    resources,
  }));
}
