// Signing in with Google's button. Nothing of Google's is loaded unless the page has a client id.

import { claimsOf, heldToken } from './token.js';
import { t } from './words.js';

const SCRIPT = 'https://accounts.google.com/gsi/client';

/** Google's sign-in for one client id. `onPerson` hears of everyone who signs in, and `onMissing` when a
 * call needs a token and there is none. */
export function openGoogle(clientId, { onPerson, onMissing }) {
  const held = heldToken(onMissing);
  let loading;

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
    const claims = claimsOf(credential), { sub, name, email } = claims;
    held.set(credential, sub, claims);
    return onPerson({ sub, shown: email ?? name ?? sub, token: credential });
  };

  return {
    /** Draws Google's button in `place`. */
    button: async (place, language) => {
      await load();
      window.google.accounts.id.renderButton(place, { type: 'standard', locale: language });
    },
    tokenOf: held.tokenOf,
    /** Forgets the token, and that Google may sign the same person in again by itself. */
    signOut: () => {
      held.forget();
      window.google?.accounts.id.disableAutoSelect();
    },
  };
}
