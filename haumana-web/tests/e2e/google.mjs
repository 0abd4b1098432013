// Somebody who signs people in as Google does: keys on loopback, a server that trusts them, and in the
// browser a stand-in for Google's script, which the tests cannot load.

import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { startServer } from './server.mjs';

export const CLIENT = '1234-web.apps.googleusercontent.com';

/** What the page uses of Google's script. A press of the button asks the test for a token. */
const SCRIPT = `
  let told;
  const pressed = async () => told.callback({ credential: await window.googleToken(told.client_id) });
  window.google = { accounts: { id: {
    initialize: (how) => { told = how; },
    renderButton: (place) => {
      const button = document.createElement('button');
      button.textContent = 'Sign in with Google';
      button.onclick = pressed;
      place.replaceChildren(button);
    },
    disableAutoSelect: () => {},
    pressed,
  } } };`;

export async function startGoogle() {
  const pair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [own, forged] = [pair(), pair()];
  const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'g', alg: 'RS256', use: 'sig' };
  const keys = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=600' });
    answer.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise((done) => keys.listen(0, '127.0.0.1', done));
  const { url, stop } = await startServer('--google-client-id', CLIENT, '--google-key-set', `http://127.0.0.1:${keys.address().port}/certs`);

  const google = {
    url,
    /** Who presses the button next. */
    next: { sub: 'kai' },
    /** The last token. */
    latest: '',
    standIn: async (context) => {
      await context.route('https://accounts.google.com/**', (route) => (route.request().url() === 'https://accounts.google.com/gsi/client'
        ? route.fulfill({ contentType: 'text/javascript', body: SCRIPT }) : route.abort()));
      await context.exposeFunction('googleToken', (audience) => {
        google.latest = token(audience, google.next);
        return google.latest;
      });
    },
    stop: () => {
      stop();
      keys.close();
    },
  };

  function token(audience, { sub, isForged = false, livesSecs = 3600 }) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: 'https://accounts.google.com', aud: audience, azp: audience, sub, email: `${sub}@example.org`,
      email_verified: true, name: sub, iat: now, exp: now + livesSecs };
    const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
    const message = `${part({ alg: 'RS256', kid: 'g', typ: 'JWT' })}.${part(claims)}`;
    const signature = sign('RSA-SHA256', Buffer.from(message), (isForged ? forged : own).privateKey);
    return `${message}.${signature.toString('base64url')}`;
  }
  return google;
}
