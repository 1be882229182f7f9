from __future__ import annotations

import pytest

from dashboard.errors import DashboardError
from dashboard.identity import ProviderAway, attempt
from dashboard.identity_provider import configured, is_safe
from tests.support.identity_provider import CLIENT_ID, identity_provider

KEY = b"k" * 32


def test_what_belongs_to_a_state_is_its_own() -> None:
    begun = attempt(KEY, "state")
    assert begun == attempt(KEY, "state")
    values = {
        begun.nonce,
        begun.verifier,
        attempt(KEY, "other").nonce,
        attempt(b"x", "state").nonce,
    }
    assert len(values) == 4
    assert len(begun.verifier) == 64  # RFC 7636: 43 to 128 characters


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("https://id.example.com/realm", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://id.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("https://", False),
        ("file:///etc/passwd", False),
        ("id.example.com", False),
    ],
)
def test_tokens_go_over_https_or_stay_on_this_machine(address: str, answer: bool) -> None:
    assert is_safe(address) is answer


@pytest.mark.parametrize(
    ("issuer", "client_id", "sentence"),
    [
        ("id.example.com", "x", "is no issuer"),
        ("http://id.example.com", "x", "is no issuer"),
        ("https://id.example.com?x", "x", "is no issuer"),
        ("https://id.example.com", "", "--oidc-client-id"),
    ],
)
def test_options_that_cannot_be_get_a_sentence(issuer: str, client_id: str, sentence: str) -> None:
    with pytest.raises(DashboardError, match=sentence):
        configured(issuer, client_id, "")


async def test_a_description_of_another_issuer_is_refused() -> None:
    with identity_provider() as provider:
        ours = configured(provider.address, CLIENT_ID, "")
        provider.described_issuer = "https://evil.example"
        with pytest.raises(ProviderAway, match="another issuer"):
            await ours.address(attempt(KEY, "s"), "https://reports.example/x")
        provider.described_issuer = provider.address
        assert (await ours.address(attempt(KEY, "s"), "https://reports.example/x")).startswith(
            f"{provider.address}/authorize?"
        )
    gone = configured(provider.address, CLIENT_ID, "")
    with pytest.raises(ProviderAway, match="description cannot be read"):
        await gone.address(attempt(KEY, "s"), "https://reports.example/x")
