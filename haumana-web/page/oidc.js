// Signing in at an issuer of OpenID Connect: the page goes there and comes back with a code, for which
// the issuer gives an ID token (RFC 7636). Nothing of the issuer's is loaded into the page.

import { button } from './dom.js';
import { claimsOf, heldToken } from './token.js';
import { t } from './words.js';

/** What the page has to remember while it is elsewhere; never a token. */
const ASKED = 'haumana.asked';
/** LIMIT: how long the issuer may take. */
const PATIENCE_MS = 30_000;

/** The sign-in of one issuer. `under` stands before its subjects in user ids, if the server puts it there.
 * `onPerson` hears of who signs in, and `onMissing` when a call needs a token and there is none. */
export function openOidc({ authorize, token, clientId, scope = 'openid', under }, { onPerson, onMissing }) {
  const held = heldToken(onMissing);
  const here = location.origin + location.pathname;

  const go = async () => {
    const [state, nonce, verifier] = Array.from({ length: 3 }, () => inText(crypto.getRandomValues(new Uint8Array(32))));
    sessionStorage.setItem(ASKED, JSON.stringify({ state, nonce, verifier }));
    const challenge = inText(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
    const url = new URL(authorize);
    const asked = { response_type: 'code', client_id: clientId, redirect_uri: here, scope, state, nonce, code_challenge: challenge, code_challenge_method: 'S256' };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    location.assign(url);
  };

  const trade = async (code, { nonce, verifier }) => {
    const body = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: here, client_id: clientId, code_verifier: verifier });
    const answer = await fetch(token, { method: 'POST', body, credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(PATIENCE_MS) });
    const { id_token } = answer.ok ? await answer.json() : {};
    if (!id_token) throw new Error(t('noIssuer'));
    const claims = claimsOf(id_token), { sub, name, email, nonce: said } = claims;
    if (said !== nonce) throw new Error(t('noIssuer'));
    const account = under ? `${under}:${sub}` : sub;
    held.set(id_token, account, claims);
    await onPerson({ sub: account, shown: email ?? name ?? sub, token: id_token });
  };

  return {
    button: async (place) => { place.append(button(t('signIn'), go, { className: 'main issuer' })); },
    /** Takes up the answer with which the issuer has sent somebody back; returns whether there was one. */
    back: async () => {
      const answer = new URLSearchParams(location.search);
      const asked = JSON.parse(sessionStorage.getItem(ASKED) ?? 'null');
      if (!answer.has('state')) return false;
      // A code is good once, and belongs into no history.
      history.replaceState(null, '', here);
      sessionStorage.removeItem(ASKED);
      // Somebody else's answer, or one that was taken up before.
      if (!asked || asked.state !== answer.get('state')) return false;
      if (!answer.has('code')) throw new Error(`${t('noIssuer')} (${answer.get('error')})`);
      await trade(answer.get('code'), asked);
      return true;
    },
    tokenOf: held.tokenOf,
    signOut: held.forget,
  };
}

/** Bytes as Base64 for URLs. */
const inText = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
