/** Which function answers which call: `../routes.json`, which the script for the move reads too. */

import { readFileSync } from 'node:fs';
import * as path from 'node:path';

/** One call of the API. */
export interface Route {
  readonly method: string;
  readonly path: string;
  /** The name of the binary that answers. */
  readonly function: string;
  /** Whether the caller must show a token. */
  readonly token: boolean;
}

/** The folder of the CDK app, wherever the compiled file is. */
export const HOME = path.resolve(__dirname, '../..');

/** Every call of the API. */
export const ROUTES: readonly Route[] = JSON.parse(
  readFileSync(path.join(HOME, '../routes.json'), 'utf8'),
);
