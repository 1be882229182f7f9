"""What the processes of one home are told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from collector.up_settings import PRIVATE_NETWORKS, Settings

SETTINGS = Settings(
    home=Path("home"),
    urls=(),
    port=8080,
    database=None,
    agent_host=None,
    duration_s=None,
    cache=Path("cache"),
    mirror=None,
    insecure_mirror=False,
    mail=None,
    query="vantage psql",
    registration="invite",
    allow_networks=(),
)


def test_invited_people_reach_private_networks() -> None:
    assert SETTINGS.allowed == [f"--allow-network={each}" for each in PRIVATE_NETWORKS]


def test_strangers_reach_nothing_private() -> None:
    assert replace(SETTINGS, registration="open").allowed == []


def test_the_operator_names_what_may_be_reached() -> None:
    for registration in ("closed", "open"):
        said = replace(
            SETTINGS, registration=registration, allow_networks=[ip_network("10.1.0.0/16")]
        )
        assert said.allowed == ["--allow-network=10.1.0.0/16"]
