// An ID token of somebody else's issuer, in this tab only.

/** A token is not used in its last minute. */
const EARLY_MS = 60_000;

/** Keeps one token until it ends; `onMissing` hears when a call needs one and there is none. */
export function heldToken(onMissing) {
  let token, owner, until = 0;
  return {
    /** Takes a token that has just been issued. How long it lives counts: this device's clock may be wrong. */
    set: (next, sub, { exp, iat }) => {
      const fromNow = iat === undefined ? exp * 1000 - Date.now() : (exp - iat) * 1000;
      [token, owner, until] = [next, sub, performance.now() + fromNow - EARLY_MS];
    },
    forget: () => { [token, owner, until] = [undefined, undefined, 0]; },
    /** A source of tokens of one person. */
    tokenOf: (sub) => async (isRefused, account, refused) => {
      // The refusal of an earlier token says nothing about this one.
      if (isRefused && (refused ?? token) === token) token = undefined;
      if (token && owner === sub && performance.now() < until) return token;
      onMissing();
      throw Object.assign(new Error('nobody is signed in'), { name: 'NoToken' });
    },
  };
}

/** What a token says. The server checks the token; the page only needs to know whose it is. */
export function claimsOf(credential) {
  const part = credential.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0))));
}
