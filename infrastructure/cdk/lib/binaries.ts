/** Finds what cargo-lambda has built, and refuses what the chosen processor cannot run. */

import { Annotations } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { HOME } from './routes';
import { Processor, Settings } from './settings';

/** The `e_machine` field of an ELF file. */
const MACHINES: Record<Processor, number> = { arm64: 0xb7, x86_64: 0x3e };
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/**
 * Returns the code of one function. Without a binary it is a placeholder that fails when it runs,
 * with a warning that `cdk deploy --strict` turns into an error.
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
