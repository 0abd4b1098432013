/** The five Lambda functions, each with its own log and a role that can do what it does and no more. */

import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { code, SchemaFile, schemaFile } from './binaries';
import { Settings } from './settings';
import { INDEX, tablePrefix, Tables } from './tables';

/** What a function may do with the tables. */
type Access = 'none' | 'sync' | 'sync and erase';

/** What one binary needs. */
interface Needs {
  readonly access: Access;
  /** Google's clients, to verify tokens with. */
  readonly verifies: boolean;
  /** What it does in the user directory. */
  readonly directory: string[];
  readonly memoryMb: number;
  readonly timeoutSecs: number;
}

// LIMIT: API Gateway gives up after 29 s. A function that ends before can still say 503.
const SYNC_TIMEOUT_SECS = 28;
// A function's share of a processor grows with its memory; merging is what needs it.
const SYNC_MEMORY_MB = 512;

const CREATE_USER = ['AdminGetUser', 'AdminCreateUser', 'AdminUpdateUserAttributes'];
const phones = { verifies: false, directory: [], memoryMb: SYNC_MEMORY_MB, timeoutSecs: SYNC_TIMEOUT_SECS };

/** The binaries, by name. */
export const BINARIES: Readonly<Record<string, Needs>> = {
  'sync-pieces-lambda': { ...phones, access: 'sync' },
  'sync-sessions-lambda': { ...phones, access: 'sync' },
  'sync-lambda': { ...phones, access: 'sync and erase', directory: ['AdminDeleteUser'] },
  'auth-sync-lambda': {
    access: 'none', verifies: true, directory: CREATE_USER, memoryMb: 256, timeoutSecs: 15,
  },
  'google-token-authorizer': {
    access: 'none', verifies: true, directory: [], memoryMb: 256, timeoutSecs: 10,
  },
};

/** The binary that vouches for callers; all others answer them. */
export const AUTHORIZER = 'google-token-authorizer';

/** What the functions work with. */
export interface Surroundings {
  readonly settings: Settings;
  readonly tables: Tables;
  readonly users: cognito.IUserPool;
}

/** What is the same for every function. */
interface Shared extends Surroundings {
  /** The kinds of record, if they are not pieces and sessions. */
  readonly schema?: SchemaFile;
}

/** The functions of one deployment. */
export class Functions extends Construct {
  private readonly functions = new Map<string, lambda.Function>();

  constructor(scope: Construct, id: string, surroundings: Surroundings) {
    super(scope, id);
    const shared = { ...surroundings, schema: schemaFile(this, surroundings.settings) };
    for (const [binary, needs] of Object.entries(BINARIES)) {
      this.functions.set(binary, new One(this, binary, needs, shared).handler);
    }
  }

  /** The function of a binary. */
  get(binary: string): lambda.Function {
    const found = this.functions.get(binary);
    if (found === undefined) {
      throw new Error(`there is no function ${binary}`);
    }
    return found;
  }

  /** All of them. */
  get all(): lambda.Function[] {
    return [...this.functions.values()];
  }
}

/** One function with what belongs to it. */
class One extends Construct {
  readonly handler: lambda.Function;

  constructor(scope: Construct, binary: string, needs: Needs, shared: Shared) {
    super(scope, binary);
    const { settings, tables, users, schema } = shared;
    const functionName = `${settings.prefix}-${binary}`;
    const logGroup = new logs.LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: settings.logRetentionDays,
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
      code: code(this, binary, settings),
      layers: schema !== undefined && keepsRecords(needs) ? [schema.layer] : undefined,
      role,
      logGroup,
      memorySize: needs.memoryMb,
      timeout: Duration.seconds(needs.timeoutSecs),
      reservedConcurrentExecutions: settings.maxConcurrency || undefined,
      environment: environment(binary, needs, shared),
    });
  }
}

/** Whether a function answers from the tables. */
function keepsRecords(needs: Needs): boolean {
  return needs.access !== 'none';
}

/** Only what the function reads, so that the console shows what matters to it. */
function environment(binary: string, needs: Needs, { settings, users, schema }: Shared): Record<string, string> {
  const variables: Record<string, string> = {
    AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH: 'true',
    HAUMANA_LOG: settings.log,
  };
  if (keepsRecords(needs)) {
    if (schema !== undefined) {
      variables.HAUMANA_SCHEMA = schema.name;
    }
    variables.HAUMANA_TABLE_PREFIX = tablePrefix(settings);
    variables.HAUMANA_GENERATION = String(settings.generation);
    variables.HAUMANA_RETENTION_DAYS = String(settings.retentionDays);
  }
  if (needs.verifies) {
    variables.HAUMANA_GOOGLE_CLIENT_IDS = settings.googleClientIds.join(',');
    if (0 < settings.googleAzp.length) {
      variables.HAUMANA_GOOGLE_AZP = settings.googleAzp.join(',');
    }
  }
  // An existing API takes replies as text only: its binary media types are its other callers' too.
  if (binary !== AUTHORIZER && settings.existingApiId === undefined) {
    variables.HAUMANA_BINARY_REPLIES = 'true';
  }
  if (0 < needs.directory.length) {
    variables.HAUMANA_USER_POOL_ID = users.userPoolId;
  }
  if (binary !== AUTHORIZER && 0 < settings.corsOrigins.length) {
    variables.HAUMANA_CORS_ORIGINS = settings.corsOrigins.join(',');
  }
  return variables;
}

const READ = ['GetItem', 'BatchGetItem', 'Query'];
// TransactWriteItems is not an action of its own: its parts are. BatchWriteItem is one.
const KEEP = ['PutItem', 'UpdateItem', 'ConditionCheckItem'];
const DELETE = ['DeleteItem', 'BatchWriteItem'];

/**
 * Lists actions and resources one by one: no Scan, no DeleteTable, no index that may come later.
 * Only the history loses items in a commit (what is past its retention); records do so by erasing.
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
