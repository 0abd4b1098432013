/**
 * Prints what a month costs, from synthesised templates: `node out/bill.js [TEMPLATE ...]`. Without
 * a name it reads the templates that `npx cdk synth` has left in `cdk.out`.
 */

import { readFileSync } from 'node:fs';
import { bill, Month, standing, total } from './lib/bill';
import { WRITTEN } from './lib/metrics';

const given = process.argv.slice(2);
const files = given.length === 0 ? ['cdk.out/Haumana.template.json'] : given;
const months: Month[] = [
  { users: 0, years: 0 }, { users: 100, years: 1 }, { users: 10_000, years: 5 }, { users: 1_000_000, years: 5 },
];
const row = (cells: string[]) => console.log(`| ${cells.join(' | ')} |`);
const name = ({ users, years }: Month) => (users === 0 ? 'nobody' : `${users.toLocaleString('en')} users, ${years} y`);

for (const file of files) {
  const template = JSON.parse(readFileSync(file, 'utf8'));
  const bills = months.map((month) => bill(template, WRITTEN, month));
  console.log(`\n${file}\n`);
  row(['$ a month', ...months.map(name)]);
  row(['---', ...months.map(() => '---')]);
  bills[0]?.forEach(({ what }, at) =>
    row([what, ...bills.map((lines) => (lines[at]?.dollars ?? 0).toFixed(2))]));
  row(['**together**', ...bills.map((lines) => `**${total(lines).toFixed(2)}**`)]);
  console.log(`\nThe template has ${JSON.stringify(standing(template, WRITTEN))}.`);
}
