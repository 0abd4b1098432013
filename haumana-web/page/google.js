// Signing in with Google's button. Nothing of Google's is loaded unless the page has a client id.

import { t } from './words.js';

const SCRIPT = 'https://accounts.google.com/gsi/client';
/** A token is not used in its last minute: the server's clock may be ahead. */
const EARLY_MS = 60_000;

/** Google's sign-in for one client id. `onPerson` hears of everyone who signs in, and `onMissing` when a
 * call needs a token and there is none. A token is kept in this tab only, and only until it ends. */
export function openGoogle(clientId, { onPerson, onMissing }) {
  let token, owner, until = 0, loading;

  const load = () => {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = SCRIPT;
      script.onload = resolve;
      script.onerror = () => { loading = undefined; script.remove(); reject(new Error(t('noGoogle'))); };
      document.head.append(script);
    }).then(() => window.google.accounts.id.initialize({ client_id: clientId, auto_select: true, callback: heard }));
    return loading;
  };

  const heard = ({ credential }) => {
    const { sub, exp, name, email } = claimsOf(credential);
    [token, owner, until] = [credential, sub, exp * 1000 - EARLY_MS];
    return onPerson({ sub, shown: email ?? name ?? sub, token });
  };

  return {
    /** Draws Google's button in `place`. */
    button: async (place, language) => {
      await load();
      window.google.accounts.id.renderButton(place, { type: 'standard', locale: language });
    },
    /** A source of tokens of one person. */
    tokenOf: (sub) => async (isRefused) => {
      if (isRefused) token = undefined;
      if (token && owner === sub && Date.now() < until) return token;
      onMissing();
      throw Object.assign(new Error('nobody is signed in'), { name: 'NoToken' });
    },
    /** Forgets the token, and that Google may sign the same person in again by itself. */
    signOut: () => {
      [token, owner, until] = [undefined, undefined, 0];
      window.google?.accounts.id.disableAutoSelect();
    },
  };
}

/** What a token says. The server checks the token; the page only needs to know whose it is. */
function claimsOf(credential) {
  const part = credential.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0))));
}
