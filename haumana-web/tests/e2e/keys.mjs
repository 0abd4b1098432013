// The keys of somebody who signs people in, and tokens that are signed with them.

import { generateKeyPairSync, sign } from 'node:crypto';

export function makeKeys() {
  const pair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [own, forged] = [pair(), pair()];
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  return {
    jwks: JSON.stringify({ keys: [{ ...own.publicKey.export({ format: 'jwk' }), kid: 'g', alg: 'RS256', use: 'sig' }] }),
    /** A token that says so, and lives for so long; one that is forged is signed with another key. */
    token: (claims, { isForged = false, livesSecs = 3600 } = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const message = `${part({ alg: 'RS256', kid: 'g', typ: 'JWT' })}.${part({ iat: now, exp: now + livesSecs, ...claims })}`;
      const signature = sign('RSA-SHA256', Buffer.from(message), (isForged ? forged : own).privateKey);
      return `${message}.${signature.toString('base64url')}`;
    },
  };
}
