/** Explains why a finding of cdk-nag is what we want. A finding without a reason fails the synthesis. */

import { Validations } from 'aws-cdk-lib';
import { IConstruct } from 'constructs';

/** Accepts the finding `id` on `construct` and everything in it. */
export function explain(construct: IConstruct, id: string, reason: string): void {
  Validations.of(construct).acknowledge({ id, reason });
}
