/**
 * Refuses a deployment that lacks a setting of the last one.
 *
 * Each deployment takes its settings from the command line. A setting that is left out gets its
 * standard value. For some settings that is an outage: without `existingApiId` the API that the app
 * calls may no longer call the functions. So the template keeps the given settings (`Metadata`),
 * and the next deployment is compared with them.
 */

import { execFileSync } from 'node:child_process';

/** Where the template keeps the given settings. */
export const METADATA = 'haumana:settings';

/** Settings about the operator's machine, and settings for one deployment only. */
const OF_ONE_DEPLOYMENT = ['binaries', 'forget', 'unguarded'];
/**
 * The kind of API of a stack that does not say which one it has: there was no other standard then.
 */
const FIRST_API = 'rest';
/** If one of these has another value, it is another API, or other users. */
const UNCHANGED = ['api', 'existingApiId', 'existingUserPoolId', 'stage'];

export type Given = Readonly<Record<string, string>>;

/** Returns what is missing, or must not change. `forget`: settings that may be missing. */
export function forgotten(last: Given, now: Given, forget: readonly string[]): string[] {
  const found: string[] = [];
  const [generation, next] = [Number(last.generation ?? 0), Number(now.generation ?? 0)];
  if (next < generation) {
    found.push(`the generation was ${generation} and is never lowered: -c generation=${generation}`);
  }
  const before = Object.keys(last).length === 0 ? last : { api: FIRST_API, ...last };
  for (const [name, value] of Object.entries(before)) {
    if ([...OF_ONE_DEPLOYMENT, 'generation', ...forget].includes(name)) {
      continue;
    }
    if (now[name] === undefined) {
      found.push(`${name} was ${value} and is not given: -c ${name}=${value}, or -c forget=${name}`);
    } else if (UNCHANGED.includes(name) && now[name] !== value) {
      found.push(`${name} was ${value} and is ${now[name]}: -c ${name}=${value}, or if that is meant, -c forget=${name}`);
    }
  }
  return found;
}

/** Runs a program and returns its output; if it fails, throws with its error text. */
export type Run = (program: string, words: string[]) => string;

/** Asks AWS for the settings of the last deployment of a stack; empty if there was none. */
export function lastGiven(stackName: string, run: Run = runProgram): Given {
  try {
    const told = run('aws', ['cloudformation', 'get-template', '--stack-name', stackName,
      '--query', 'TemplateBody.Metadata', '--output', 'json']);
    // A stack from an earlier version has no such metadata.
    return JSON.parse(told || 'null')?.[METADATA] ?? {};
  } catch (error) {
    const { message, stderr } = error as { message: string; stderr?: unknown };
    const why = String(stderr ?? '') || message;
    if (/does not exist/.test(why)) {
      return {};
    }
    throw new Error(`what was deployed last cannot be seen, so nobody can tell what this forgets: ${why.trim()}`
      + ' (-c unguarded=true deploys all the same)');
  }
}

function runProgram(program: string, words: string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
