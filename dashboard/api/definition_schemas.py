"""What the API takes and gives of a monitor's definition: request, terms, secrets, assertions."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from dashboard import secret
from dashboard.errors import Unacceptable

Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
# The database stores none.
NO_NUL = r"^[^\x00]*$"
Said = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=NO_NUL)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
Pem = Annotated[str, StringConstraints(max_length=65_536, pattern=NO_NUL)]
# Secrets that are no headers of any name: their fields here, and their names.
SPECIAL = {
    "authorization": secret.AUTHORIZATION,
    "client_key": secret.CLIENT_KEY,
    "proxy_login": secret.PROXY_PASSWORD,
}
Phase = Literal["dns", "connect", "tls", "send", "wait", "receive"]


class Header(BaseModel):
    """A header of a request; several may have one name."""

    model_config = ConfigDict(extra="forbid")

    name: Line
    value: Annotated[str, StringConstraints(max_length=4096, pattern=NO_NUL)]


class RequestValues(BaseModel):
    """What is asked of the server. Everybody in the account may read it: no secrets."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: Annotated[list[Header], Field(max_length=50)] = Field(default_factory=list)
    body: Annotated[str, StringConstraints(max_length=65_536, pattern=NO_NUL)] | None = Field(
        None, description="Text to send. Null: none; also what is no UTF-8, and such a body stays."
    )
    ip_version: Literal[4, 6] | None = Field(None, description="The only family. Null: any.")
    is_paired: bool = Field(False, description="Both families, in each slot; then no ip_version.")
    http_version: Literal["1.1", "2", "3"] | None = Field(
        None, description="The only version. Null: whichever is agreed on."
    )
    is_insecure: bool = Field(False, description="The certificate is not verified.")
    is_uncompressed: bool = Field(False, description="No compressed body is asked for.")
    max_redirects: int = Field(10, ge=0, le=50, description="Redirects followed.")

    @model_validator(mode="after")
    def _has_one_choice_of_families(self) -> Self:
        if self.is_paired and self.ip_version is not None:
            raise ValueError("with is_paired both families are asked; leave out ip_version")
        return self


class TermsValues(BaseModel):
    """The way to the server, and what is trusted there. Everybody in the account may read it."""

    model_config = ConfigDict(extra="forbid")

    client_certificate: Pem | None = Field(
        None, description="Shown when the server asks, PEM, its chain after it. Its key: `secrets`."
    )
    authority: Pem | None = Field(
        None, description="PEM of what is trusted instead of all other authorities."
    )
    proxy: Line | None = Field(None, description="http://, https:// or socks5h://host:port.")
    connect_to: Line | None = Field(
        None, description="Address to connect to instead of looking the host up."
    )
    name_server: Line | None = Field(
        None, description="Address of the name server to ask, with or without a port."
    )
    phase_timeouts: dict[Phase, Annotated[int, Field(ge=1_000, le=60_000_000)]] = Field(
        default_factory=dict, description="How long a phase of an exchange may take, microseconds."
    )

    @property
    def stored(self) -> dict[str, Any]:
        """As report.define_monitor() takes it; an empty text is none."""
        texts = self.model_dump(exclude={"phase_timeouts"})
        return {
            **{name: text or None for name, text in texts.items()},
            "phase_timeouts": self.phase_timeouts,
        }


class AuthorizationValues(BaseModel):
    """What the server asks for: one of both."""

    model_config = ConfigDict(extra="forbid")

    basic: SecretStr | None = Field(None, max_length=4096, description="user:password")
    bearer: SecretStr | None = Field(None, max_length=4096, description="A token.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.basic is None) == (self.bearer is None):
            raise ValueError("give basic or bearer")
        return self

    @property
    def header(self) -> str:
        """The header's value. Raises: Unacceptable."""
        if self.basic is not None:
            return secret.basic(*_login(self.basic))
        return secret.bearer(self.bearer.get_secret_value() if self.bearer else "")


class SecretValues(BaseModel):
    """Secrets, which go in and never come out. What is left out stays; null is removed."""

    model_config = ConfigDict(extra="forbid")

    authorization: AuthorizationValues | None = None
    headers: Annotated[
        dict[HeaderName, Annotated[SecretStr, Field(max_length=4096)] | None], Field(max_length=50)
    ] = Field(default_factory=dict, description="Values by the names of headers.")
    client_key: SecretStr | None = Field(
        None, max_length=65_536, description="Key of `terms.client_certificate`, PEM."
    )
    proxy_login: SecretStr | None = Field(None, max_length=4096, description="user:password")

    @property
    def given(self) -> dict[str, str | None]:
        """By their names, as `dashboard.secret.Given`. Raises: Unacceptable."""
        found: dict[str, str | None] = dict.fromkeys(self.headers)
        for field, name in SPECIAL.items():
            if field in self.model_fields_set:
                found[name] = None
        for name, value in self.headers.items():
            if value is not None:
                found[name] = secret.header(name, value.get_secret_value())
        if self.authorization is not None:
            found[secret.AUTHORIZATION] = self.authorization.header
        if self.client_key is not None:
            found[secret.CLIENT_KEY] = self.client_key.get_secret_value().strip()
        if self.proxy_login is not None:
            found[secret.PROXY_PASSWORD] = secret.login(*_login(self.proxy_login), "the proxy")
        return found


def _login(text: SecretStr) -> tuple[str, str]:
    """Take user:password apart. Raises: Unacceptable."""
    user, colon, password = text.get_secret_value().partition(":")
    if not colon:
        raise Unacceptable("A login is written user:password.")
    return user, password


class AssertionValues(BaseModel):
    """Something that must be true of the answer; docs/monitors.md explains the kinds."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[
        "status", "header_present", "header_equals", "header_matches", "body_contains",
        "body_matches", "json_equals", "size", "cert_days", "limit", "url", "network",
        "http_version", "loss",
    ]  # fmt: skip
    name: Said | None = Field(None, description="The header, JSON path or phase.")
    expected: Said | None = None
    at_least: int | None = Field(None, ge=0, lt=10**15)
    at_most: int | None = Field(None, ge=0, lt=10**15, description="Microseconds, of a limit.")
    degrades: bool = Field(False, description="Not met, it is degraded and not down.")

    @property
    def stored(self) -> dict[str, Any]:
        """As vantage.monitors.assertions has it."""
        return self.model_dump(exclude_none=True, exclude_defaults=True)
