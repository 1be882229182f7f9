"""An OpenID provider that says who somebody is: the protocol, and nothing about our accounts.

Authorization code with PKCE, state and nonce. Only signatures by a provider's public key count,
and what the provider's own description says is never enough to make us less strict.

Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 7636, RFC 9207, RFC 9700.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from dashboard.errors import DashboardError
from dashboard.identity import Attempt, Identity, NotVouchedFor, ProviderAway

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
PATIENCE_S = 10.0
LEEWAY_S = 60
KNOWN_FOR_S = 3600.0
KEYS_AGAIN_S = 60.0


@dataclass(slots=True)
class IdentityProvider:
    """The provider that an operator trusts. ``client_secret`` empty: a public client."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    _described: dict[str, Any] = field(default_factory=dict, repr=False)
    _described_until: float = field(default=0.0, repr=False)
    _keys: KeySet | None = field(default=None, repr=False)
    _keys_until: float = field(default=0.0, repr=False)
    _keys_again_at: float = field(default=0.0, repr=False)

    @property
    def name(self) -> str:
        """What people know it by."""
        return urlsplit(self.issuer).hostname or self.issuer

    async def address(self, begun: Attempt, redirect_uri: str) -> str:
        """Where to send somebody. Raises: ProviderAway."""
        described = await self._description()
        async with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                described["authorization_endpoint"],
                state=begun.state,
                code_verifier=begun.verifier,
                nonce=begun.nonce,
            )
        return str(address)

    async def identity(self, begun: Attempt, redirect_uri: str, code: str, iss: str) -> Identity:
        """Who it was that came back with ``code``. ``iss`` empty: the answer named no issuer.

        Raises: NotVouchedFor; ProviderAway.
        """
        described = await self._description()
        must_name = described.get("authorization_response_iss_parameter_supported") is True
        if iss != self.issuer and (iss or must_name):
            raise NotVouchedFor(f"the answer is of another issuer, {iss[:200]!r}")
        async with self._client(redirect_uri) as client:
            try:
                token = await client.fetch_token(
                    described["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=begun.verifier,
                    redirect_uri=redirect_uri,
                )
                claims = await self._claims(dict(token), begun)
                if not claims.get("email") and "userinfo_endpoint" in described:
                    claims = {**claims, **await self._more(client, described, claims)}
            except OAuthError as error:
                raise NotVouchedFor(f"the provider refused the code: {error.error}") from error
            except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
                raise ProviderAway(type(error).__name__) from error
        subject = str(claims["sub"])
        # As OpenID Connect Core, section 2, says that one is.
        if not (subject.isascii() and subject.isprintable() and len(subject) <= 255):
            raise NotVouchedFor("the subject is no subject")
        is_verified = claims.get("email_verified") in (True, "true")
        return Identity(
            issuer=self.issuer,
            subject=subject,
            email=_line(claims.get("email")) if is_verified else "",
            name=_line(claims.get("name")),
        )

    async def _claims(self, token: dict[str, Any], begun: Attempt) -> dict[str, Any]:
        """What the ID token says, when all of it holds. Raises: NotVouchedFor; ProviderAway."""
        text = token.get("id_token")
        if not isinstance(text, str):
            raise NotVouchedFor("there is no ID token")
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            try:
                decoded = jwt.decode(text, await self._key_set(), registry=registry)
            except InvalidKeyIdError:
                # A key that is not known may be new.
                decoded = jwt.decode(text, await self._key_set(again=True), registry=registry)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self.client_id},
                    "sub": {"essential": True},
                    "exp": {"essential": True},
                },
                {
                    "nonce": begun.nonce,
                    "client_id": self.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, ValueError) as error:
            raise NotVouchedFor(f"the ID token does not hold: {error}") from error
        return dict(claims)

    async def _more(
        self, client: AsyncOAuth2Client, described: dict[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """What the provider tells of the same person where the ID token is silent."""
        answer = await client.get(described["userinfo_endpoint"])
        answer.raise_for_status()
        told = answer.json()
        if told.get("sub") != claims["sub"]:
            raise NotVouchedFor("the user's information is about somebody else")
        return {name: told[name] for name in ("email", "email_verified", "name") if name in told}

    def _client(self, redirect_uri: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            client_id=self.client_id,
            client_secret=self.client_secret or None,
            scope=SCOPE,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=PATIENCE_S,
            follow_redirects=False,
        )

    async def _description(self) -> dict[str, Any]:
        """What the provider publishes of itself; kept for an hour. Raises: ProviderAway."""
        if time.monotonic() >= self._described_until:
            described = await _read(
                self.issuer.rstrip("/") + "/.well-known/openid-configuration", "description"
            )
            if described.get("issuer") != self.issuer:
                raise ProviderAway("its description is of another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_safe(str(described.get(name, ""))):
                    raise ProviderAway(f"its {name} is no https address")
            self._described = described
            self._described_until = time.monotonic() + KNOWN_FOR_S
        return self._described

    async def _key_set(self, *, again: bool = False) -> KeySet:
        """The provider's keys; asked for again only now and then, whatever tokens name."""
        now = time.monotonic()
        if again and now >= self._keys_again_at:
            self._keys, self._keys_again_at = None, now + KEYS_AGAIN_S
        if self._keys is None or now >= self._keys_until:
            keys: Any = await _read((await self._description())["jwks_uri"], "keys")
            try:
                self._keys = KeySet.import_key_set(keys)
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise ProviderAway("its keys cannot be read") from error
            self._keys_until = now + KNOWN_FOR_S
        return self._keys


async def _read(address: str, what: str) -> dict[str, Any]:
    try:
        async with httpx2.AsyncClient(timeout=PATIENCE_S, follow_redirects=False) as client:
            answer = await client.get(address)
            answer.raise_for_status()
            found = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise ProviderAway(f"its {what} cannot be read: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise ProviderAway(f"its {what} is no object")
    return found


def _line(text: object) -> str:
    """A claim on one line: names stand in mails' subjects."""
    given = text if isinstance(text, str) else ""
    return "".join(c if c.isprintable() else " " for c in given).strip()[:254]


def is_safe(address: str) -> bool:
    """Is it an https address, or one on this machine?"""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


def configured(issuer: str, client_id: str, client_secret: str) -> IdentityProvider:
    """The provider that options name. Raises: DashboardError."""
    parts = urlsplit(issuer)
    if not is_safe(issuer) or parts.query or parts.fragment:
        raise DashboardError(
            f"“{issuer}” is no issuer. Write --oidc-issuer as your provider does, such as "
            "https://id.example.com."
        )
    if not client_id:
        raise DashboardError("Say whom the provider knows this report centre as: --oidc-client-id.")
    return IdentityProvider(issuer, client_id, client_secret)
