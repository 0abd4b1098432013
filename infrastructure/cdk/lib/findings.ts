/**
 * Explains why a finding of cdk-nag is intended. A finding without a reason makes the synthesis
 * fail.
 */

import { Validations } from 'aws-cdk-lib';
import { IConstruct } from 'constructs';

/** Accepts the finding `id` on `construct` and everything in it. */
export function explain(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id, reason });
}
