"""A small OpenID provider on loopback: real HTTP, real keys, and as strict as providers are.

It knows one person, and asks nobody. ``claims`` changes what it says of them; the other attributes
make it break one rule at a time.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from tests.support.in_thread import serving_in_thread

CLIENT_ID, CLIENT_SECRET = "vantage", "a secret of the client"


class Provider:
    """``redirect_uri``: the one that it knows, to be set once it is known."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.redirect_uri = ""
        self.requests: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.make_key()
        self.behave()

    def behave(self) -> None:
        """Break no rule, and know Ann."""
        self.claims: dict[str, Any] = {
            "sub": "ann-1",
            "email": "ann@example.org",
            "email_verified": True,
            "name": "Ann Other",
        }
        self.in_userinfo: dict[str, Any] = {}
        self.described_issuer = self.address
        self.answering_issuer = self.address
        self.is_signed_by_other_key = False
        self.is_signed_by_secret = False

    def make_key(self) -> None:
        """Sign with a new key from now on."""
        self.key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig"})

    def description(self) -> dict[str, Any]:
        return {
            "issuer": self.described_issuer,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "userinfo_endpoint": f"{self.address}/userinfo",
            "jwks_uri": f"{self.address}/keys",
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": True,
        }

    def authorize(self, asked: dict[str, str]) -> str | None:
        """Where to send the person back to. None: the request is not as it must be."""
        wanted = {
            "client_id": CLIENT_ID,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "code_challenge_method": "S256",
        }
        if {name: asked.get(name) for name in wanted} != wanted:
            return None
        if "openid" not in asked["scope"].split() or not asked["state"] or not asked["nonce"]:
            return None
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.answering_issuer}
        return f"{self.redirect_uri}?{urlencode(back)}"

    def token(self, given: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens for a code, once. None: the request is not as it must be."""
        asked = self._codes.pop(given.get("code", ""), None)
        client = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or authorization != f"Basic {client}"
            or given["redirect_uri"] != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return None
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        return {"access_token": "of Ann", "token_type": "Bearer", "id_token": self.signed(claims)}

    def signed(self, claims: dict[str, Any]) -> str:
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.is_signed_by_secret:
            header = {"alg": "HS256", "kid": str(self.key.kid)}
            return jwt.encode(header, claims, OctKey.import_key(CLIENT_SECRET * 2))
        key = self.key
        if self.is_signed_by_other_key:
            key = ECKey.generate_key("P-256", {"kid": str(self.key.kid)})
        return jwt.encode({"alg": "ES256", "kid": str(key.kid)}, claims, key)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.requests.append(parts.path)
            if parts.path == "/.well-known/openid-configuration":
                self._answer(provider.description())
            elif parts.path == "/keys":
                self._answer(dict(KeySet([provider.key]).as_dict(private=False)))
            elif parts.path == "/userinfo" and self.headers["Authorization"] == "Bearer of Ann":
                self._answer({"sub": provider.claims["sub"], **provider.in_userinfo})
            elif parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if back := provider.authorize(asked):
                    self.send_response(302)
                    self.send_header("Location", back)
                    self.end_headers()
                else:
                    self._answer({"error": "invalid_request"}, 400)
            else:
                self._answer({"error": "not_found"}, 404)

        def do_POST(self) -> None:
            provider.requests.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            tokens = provider.token(given, self.headers["Authorization"] or "")
            if self.path == "/token" and tokens:
                self._answer(tokens)
            else:
                self._answer({"error": "invalid_grant"}, 400)

        def _answer(self, content: dict[str, Any], status: int = 200) -> None:
            body = dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output free of it."""

    return Handler


@contextmanager
def identity_provider() -> Iterator[Provider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(provider)
    with serving_in_thread(server):
        yield provider
