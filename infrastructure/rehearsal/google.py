"""Stands in for Google: a key pair, its key set on loopback, and ID tokens. Nothing is bypassed:
the authorizer verifies them as it verifies Google's."""

import base64
import http.server
import json
import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT = "app.example"
KEY_ID = "rehearsal"


class Google:
    """An issuer of tokens."""

    def __init__(self):
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        keys = json.dumps({"keys": [self._public()]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            """Answers with the key set."""

            def do_GET(self):
                """Answers."""
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("cache-control", "public, max-age=3600")
                self.send_header("content-length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_):
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.key_set = f"http://127.0.0.1:{self._server.server_port}/keys"

    def token(self, sub, **claims):
        """Returns a token that Google could have issued."""
        return self._sign(self._key, sub, claims)

    def forged(self, sub):
        """Returns a token that names Google's key and is signed with another."""
        return self._sign(self._stranger, sub, {})

    def _sign(self, key, sub, claims):
        now = int(time.time())
        header = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}
        payload = {
            "iss": "https://accounts.google.com", "aud": CLIENT, "azp": CLIENT, "sub": sub,
            "email": f"{sub}@example.org", "email_verified": True, "name": sub,
            "iat": now, "exp": now + 3600, **claims,
        }
        signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(payload).encode())}"
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}"

    def _public(self):
        numbers = self._key.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        return {
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
            "n": encoded(numbers.n.to_bytes(size, "big")), "e": encoded(b"\x01\x00\x01"),
        }


def encoded(data):
    """Returns base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
