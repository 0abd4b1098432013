// An ID token of somebody else's issuer, in this tab only.

/** A token is not used in its last minute: the server's clock may be ahead. */
const EARLY_MS = 60_000;

/** Keeps one token until it ends; `onMissing` hears when a call needs one and there is none. */
export function heldToken(onMissing) {
  let token, owner, until = 0;
  return {
    set: (next, sub, exp) => { [token, owner, until] = [next, sub, exp * 1000 - EARLY_MS]; },
    forget: () => { [token, owner, until] = [undefined, undefined, 0]; },
    /** A source of tokens of one person. */
    tokenOf: (sub) => async (isRefused) => {
      if (isRefused) token = undefined;
      if (token && owner === sub && Date.now() < until) return token;
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
