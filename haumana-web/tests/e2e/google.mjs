// Somebody who signs people in as Google does: keys on loopback, a server that trusts them, and in the
// browser a stand-in for Google's script, which the tests cannot load.

import { createServer } from 'node:http';
import { makeKeys } from './keys.mjs';
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
  const made = makeKeys();
  const keys = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=600' });
    answer.end(made.jwks);
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

  function token(audience, { sub, ...how }) {
    const claims = { iss: 'https://accounts.google.com', aud: audience, azp: audience, sub, email: `${sub}@example.org`, email_verified: true, name: sub };
    return made.token(claims, how);
  }
  return google;
}
