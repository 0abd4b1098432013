/** Finds the binaries of cargo-lambda and the schema file, and refuses files that cannot work. */

import { Annotations } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { existsSync, readFileSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { HOME } from './routes';
import { Processor, Settings } from './settings';

/** The `e_machine` field of an ELF file. */
const MACHINES: Record<Processor, number> = { arm64: 0xb7, x86_64: 0x3e };
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/**
 * Returns the code of one function. If there is no binary, it is a placeholder that fails when it
 * runs. A warning says so, which `cdk deploy --strict` turns into an error.
 */
export function code(scope: Construct, binary: string, settings: Settings): lambda.Code {
  const folder = path.resolve(HOME, settings.binaries, binary);
  const bootstrap = path.join(folder, 'bootstrap');
  if (!existsSync(bootstrap)) {
    Annotations.of(scope).addWarningV2(
      'haumana:not-built',
      `${binary} has not been built for ${settings.processor}; a placeholder that fails stands in`,
    );
    return lambda.Code.fromAsset(path.join(HOME, 'placeholder'));
  }
  const head = readFileSync(bootstrap).subarray(0, 20);
  const isElf = head.subarray(0, 4).equals(ELF);
  if (isElf && head.readUInt16LE(18) !== MACHINES[settings.processor]) {
    throw new Error(`${binary} was not built for ${settings.processor}: ${bootstrap}`);
  }
  // Only the binary: the build tool may leave other files beside it.
  return lambda.Code.fromAsset(folder, { exclude: ['*', '!bootstrap'] });
}

/** LIMIT: `haumana_server::schema` accepts no larger file either. */
const SCHEMA_BYTES = 4_000_000;

/** Where functions find the files of a layer. */
const LAYER = '/opt';

/** A layer with the schema file, and the path by which functions find it. */
export interface SchemaFile {
  readonly layer: lambda.LayerVersion;
  readonly name: string;
}

/** Makes the layer with the schema file; `undefined` if the settings name none. */
export function schemaFile(scope: Construct, settings: Settings): SchemaFile | undefined {
  if (settings.schema === undefined) {
    return undefined;
  }
  const file = path.resolve(HOME, settings.schema);
  const found = existsSync(file) ? statSync(file) : undefined;
  if (found === undefined || !found.isFile() || found.size === 0 || SCHEMA_BYTES < found.size) {
    throw new Error(`schema: ${file} is no file of 1 to ${SCHEMA_BYTES} bytes`);
  }
  const name = path.basename(file);
  // Only the file: other files in its folder must not be published.
  const code = lambda.Code.fromAsset(path.dirname(file), { exclude: ['**', `!${name}`] });
  return { layer: new lambda.LayerVersion(scope, 'Schema', { code }), name: `${LAYER}/${name}` };
}
