/** The budget: an e-mail before the bill is a surprise. */

import * as budgets from 'aws-cdk-lib/aws-budgets';
import { Construct } from 'constructs';
import { Settings } from './settings';

/**
 * Warns when 80 % of the month's budget is spent, and when all of it is forecast. It stops nothing.
 */
export function addBudget(scope: Construct, settings: Settings): void {
  if (settings.monthlyBudgetUsd === 0) {
    return;
  }
  const warn = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
    notification: { notificationType, threshold, thresholdType: 'PERCENTAGE', comparisonOperator: 'GREATER_THAN' },
    subscribers: [{ subscriptionType: 'EMAIL', address: settings.alertEmail }],
  });
  new budgets.CfnBudget(scope, 'Budget', {
    budget: {
      budgetName: `${settings.prefix}-monthly`,
      budgetType: 'COST',
      timeUnit: 'MONTHLY',
      budgetLimit: { amount: settings.monthlyBudgetUsd, unit: 'USD' },
    },
    notificationsWithSubscribers: [warn('ACTUAL', 80), warn('FORECASTED', 100)],
  });
}
