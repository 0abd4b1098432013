/**
 * The answers of API Gateway when no function is asked. They have the same form as those of the
 * functions.
 */

import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { HOME } from './routes';
import { Settings } from './settings';

/** The answer that a caller gets. */
interface Said {
  readonly status?: string;
  readonly code: string;
  readonly error: string;
  /** Seconds to wait before the same request may be sent again. */
  readonly retryAfter?: number;
}

/**
 * By the type of response. The tests of `haumana-lambda` compare them with the functions' answers.
 *
 * `MISSING_AUTHENTICATION_TOKEN` is, in spite of its name, the answer for an unknown path or
 * method. The authorizer fails when Google's keys cannot be fetched: that is nobody's fault, and
 * over soon.
 */
const RESPONSES: Readonly<Record<string, Said>> = JSON.parse(
  readFileSync(path.join(HOME, '../gateway-responses.json'), 'utf8'),
);

/** Adds a response for everything that API Gateway answers by itself. */
export function addGatewayResponses(api: apigateway.RestApi, settings: Settings): void {
  for (const [name, said] of Object.entries(RESPONSES)) {
    const { code, error } = said;
    api.addGatewayResponse(`Says${name}`, {
      type: apigateway.ResponseType.of(name),
      statusCode: said.status,
      responseHeaders: headers(said, 0 < settings.corsOrigins.length),
      templates: { 'application/json': JSON.stringify({ error, code }) },
    });
  }
}

function headers(said: Said, hasBrowsers: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  if (said.retryAfter !== undefined) {
    headers['Retry-After'] = `'${said.retryAfter}'`;
  }
  if (said.status === '401') {
    headers['WWW-Authenticate'] = "'Bearer'";
  }
  if (hasBrowsers) {
    // A fixed value cannot name the origin that asked, and these texts are not secret.
    headers['Access-Control-Allow-Origin'] = "'*'";
    headers['Access-Control-Expose-Headers'] = "'x-request-id, retry-after'";
  }
  return headers;
}
