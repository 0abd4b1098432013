/** What API Gateway says when no function is asked: in the same form in which the functions say it. */

import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import { Settings } from './settings';

/** What the caller is told. */
interface Said {
  readonly status?: string;
  readonly code: string;
  readonly error: string;
  /** Seconds to wait before the same request may be sent again. */
  readonly retryAfter?: number;
}

const unauthorized = { status: '401', code: 'unauthorized', error: 'a valid token is needed' };
const tooMany = { status: '429', code: 'too_many_requests', error: 'too many requests', retryAfter: 5 };
const unavailable = { status: '503', code: 'unavailable', error: 'try again later', retryAfter: 5 };
const invalid = { status: '400', code: 'invalid_request', error: 'the request cannot be taken' };
const noCall = { status: '404', code: 'not_found', error: 'there is no such call' };
const { ResponseType } = apigateway;

const RESPONSES: [apigateway.ResponseType, Said][] = [
  [ResponseType.UNAUTHORIZED, unauthorized],
  [ResponseType.EXPIRED_TOKEN, unauthorized],
  [ResponseType.INVALID_SIGNATURE, unauthorized],
  [ResponseType.ACCESS_DENIED, { status: '403', code: 'forbidden', error: 'this is not yours' }],
  [ResponseType.BAD_REQUEST_BODY, invalid],
  [ResponseType.BAD_REQUEST_PARAMETERS, invalid],
  // Its name notwithstanding, this is what an unknown path or method gets.
  [ResponseType.MISSING_AUTHENTICATION_TOKEN, noCall],
  [ResponseType.RESOURCE_NOT_FOUND, noCall],
  [ResponseType.REQUEST_TOO_LARGE, {
    status: '413', code: 'payload_too_large', error: 'the body is larger than this server takes',
  }],
  [ResponseType.UNSUPPORTED_MEDIA_TYPE, {
    status: '415', code: 'unsupported_media_type', error: 'the body must be application/json',
  }],
  [ResponseType.THROTTLED, tooMany],
  [ResponseType.QUOTA_EXCEEDED, tooMany],
  [ResponseType.of('WAF_FILTERED'), tooMany],
  // The authorizer fails when Google's keys cannot be had: nobody's fault, and over soon.
  [ResponseType.AUTHORIZER_FAILURE, unavailable],
  [ResponseType.INTEGRATION_FAILURE, unavailable],
  [ResponseType.INTEGRATION_TIMEOUT, unavailable],
  [ResponseType.DEFAULT_4XX, { ...invalid, status: undefined }],
  [ResponseType.DEFAULT_5XX, { code: 'internal', error: 'the server made a mistake' }],
];

/** Adds a response for everything that API Gateway answers by itself. */
export function addGatewayResponses(api: apigateway.RestApi, settings: Settings): void {
  for (const [type, said] of RESPONSES) {
    const { code, error } = said;
    api.addGatewayResponse(`Says${type.responseType}`, {
      type,
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
    // A fixed value cannot name the one origin that asked, and these texts are no secret.
    headers['Access-Control-Allow-Origin'] = "'*'";
    headers['Access-Control-Expose-Headers'] = "'x-request-id, retry-after'";
  }
  return headers;
}
