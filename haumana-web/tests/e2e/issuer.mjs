// An issuer of OpenID Connect on loopback, and a server that takes its tokens.

import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { makeKeys } from './keys.mjs';
import { startServer } from './server.mjs';

export const CLIENT = 'haumana-page';

/** Starts both; the server tells the page of the issuer if `isTold`. */
export async function startIssuer(isTold = true) {
  const keys = makeKeys();
  const codes = new Map();
  const issuer = {
    /** Who signs in next, and what goes wrong then. */
    next: { sub: 'kai' },
    /** The last token. */
    latest: '',
    /** What the page was refused, as text. */
    refused: [],
  };
  const server = createServer(async (request, answer) => {
    const url = new URL(request.url, 'http://127.0.0.1');
    if (url.pathname === '/keys') return answer.end(keys.jwks);
    if (url.pathname === '/authorize') return answer.writeHead(302, { location: authorized(url.searchParams) }).end();
    // A page of another origin may read this.
    answer.setHeader('access-control-allow-origin', '*');
    let body = '';
    for await (const part of request) body += part;
    const token = traded(new URLSearchParams(body));
    answer.writeHead(token ? 200 : 400, { 'content-type': 'application/json' });
    answer.end(JSON.stringify(token ? { id_token: token, access_token: 'for nothing', token_type: 'Bearer' } : { error: 'invalid_grant' }));
  });

  /** Signs the next person in, without asking them, and sends them back. */
  function authorized(asked) {
    const back = new URL(asked.get('redirect_uri'));
    back.searchParams.set('state', issuer.next.isForeign ? 'another' : asked.get('state'));
    if (issuer.next.error) back.searchParams.set('error', issuer.next.error);
    else {
      const code = `code ${codes.size}`;
      codes.set(code, { asked, who: issuer.next });
      back.searchParams.set('code', code);
    }
    return back.href;
  }

  /** The token for a code, once, and only for the page that asked. */
  function traded(given) {
    const code = codes.get(given.get('code'));
    codes.set(given.get('code'), undefined);
    const challenge = createHash('sha256').update(given.get('code_verifier') ?? '').digest('base64url');
    const isSame = code && given.get('grant_type') === 'authorization_code' && given.get('client_id') === CLIENT
      && code.asked.get('client_id') === CLIENT && code.asked.get('redirect_uri') === given.get('redirect_uri')
      && code.asked.get('response_type') === 'code' && code.asked.get('scope') === 'openid email'
      && code.asked.get('code_challenge_method') === 'S256' && code.asked.get('code_challenge') === challenge;
    if (!isSame) return issuer.refused.push([...given].join(' ')) && undefined;
    const { sub, isForged, livesSecs, nonce = code.asked.get('nonce') } = code.who;
    issuer.latest = keys.token({ iss: 'https://school.example', aud: CLIENT, sub, email: `${sub}@example.org`, email_verified: true, nonce }, { isForged, livesSecs });
    return issuer.latest;
  }

  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  issuer.origin = `http://127.0.0.1:${server.address().port}`;
  const page = { authorize: `${issuer.origin}/authorize`, token: `${issuer.origin}/token`, clientId: CLIENT, scope: 'openid email' };
  const file = `${mkdtempSync(`${tmpdir()}/haumana-issuer-`)}/issuers.json`;
  writeFileSync(file, JSON.stringify([{
    keySet: `${issuer.origin}/keys`, issuers: ['https://school.example'], audiences: [CLIENT], authorizedParties: [],
    subjects: { under: 'school' }, booleans: 'json', ...(isTold && { page }),
  }]));
  const { url, stop } = await startServer('--issuers', file);
  return Object.assign(issuer, { url, stop: () => { stop(); server.close(); } });
}
