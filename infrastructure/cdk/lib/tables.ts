/** The tables, as `haumana-store-dynamo/src/schema.rs` needs them; a test compares the two. */

import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { Settings } from './settings';

/** The name of the local index that has a user's records in the order of the stream. */
export const INDEX = 'by-revision';

/** The three tables of one deployment. */
export class Tables extends Construct {
  /** Pieces, and each user's head. */
  readonly pieces: dynamodb.Table;
  /** Sessions, and the inbox's conflicts. */
  readonly sessions: dynamodb.Table;
  /** Superseded versions: the only table in which DynamoDB deletes by itself. */
  readonly history: dynamodb.Table;

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    const table = (name: string, partition: string, sort: string, ttl?: string) =>
      new dynamodb.Table(this, name, {
        tableName: `${tablePrefix(settings)}${name.toLowerCase()}`,
        partitionKey: { name: partition, type: dynamodb.AttributeType.STRING },
        sortKey: { name: sort, type: dynamodb.AttributeType.STRING },
        timeToLiveAttribute: ttl,
        billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
        pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
        deletionProtection: settings.keepData,
        removalPolicy: settings.keepData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      });
    this.pieces = table('Pieces', 'userId', 'pieceId');
    this.sessions = table('Sessions', 'pk', 'sk');
    this.history = table('History', 'pk', 'sk', '_expires');
    [this.pieces, this.sessions].forEach(addIndex);
  }

  /** All of them. */
  get all(): dynamodb.Table[] {
    return [this.pieces, this.sessions, this.history];
  }
}

/** The prefix of the names of the tables. */
export function tablePrefix(settings: Settings): string {
  return `${settings.prefix}-`;
}

// DYNAMODB: a local index is made with its table or never. Changing it makes a new table.
function addIndex(table: dynamodb.Table): void {
  table.addLocalSecondaryIndex({
    indexName: INDEX,
    sortKey: { name: '_p', type: dynamodb.AttributeType.STRING },
    projectionType: dynamodb.ProjectionType.INCLUDE,
    nonKeyAttributes: ['_k', '_d', '_s', '_h', '_t'],
  });
}
