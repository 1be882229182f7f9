"""What stands in deploy/ and the Dockerfiles agrees with the programs it runs."""

from __future__ import annotations

import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from agent.cli import main as agent
from agent.version import VERSION
from collector.cli import main as collector
from collector.operator.main import main as operator
from dashboard.cli import main as dashboard
from tests.support import chromium

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
NAMING_VARIABLES = [
    "Dockerfile.agent",
    "Dockerfile.collector",
    "deploy/compose.yaml",
    "deploy/proof.py",
    "deploy/setup.sh",
    "deploy/systemd/vantage-agent.service",
    "docs/agents.md",
    "docs/containers.md",
    "docs/keys.md",
    "docs/operations.md",
    "docs/people.md",
]
# Of what deploy/grafana provisions.
GRAFANAS = {"VANTAGE_DATABASE_HOST", "VANTAGE_DATABASE_TLS"}
# Not of a program: of compose.yaml itself, and the beginning of names that are put together.
OTHERS = {"VANTAGE_EMAIL", "VANTAGE_AGENT_", "VANTAGE_", *GRAFANAS}


def variables(command: click.Command, prefix: str | None) -> Iterator[str]:
    prefix = command.context_settings.get("auto_envvar_prefix", prefix)
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
        elif prefix and parameter.name:
            yield f"{prefix}_{parameter.name.upper()}"
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from variables(sub, f"{prefix}_{name.upper()}" if prefix else None)


@pytest.mark.parametrize("path", NAMING_VARIABLES)
def test_every_variable_is_one_that_a_program_reads(path: str) -> None:
    known = {name for program in (agent, collector, dashboard, operator)
             for name in variables(program, None)}  # fmt: skip
    named = set(re.findall(r"VANTAGE_[A-Z_]*", (ROOT / path).read_text()))
    assert named - OTHERS <= known


def test_only_what_people_look_at_is_published_and_only_to_this_machine() -> None:
    published = [
        line.strip()
        for line in COMPOSE.read_text().splitlines()
        if re.search(r"\bports:", line) and not line.strip().startswith("#")
    ]
    assert published == ['ports: ["127.0.0.1:8080:8080"]', 'ports: ["127.0.0.1:3000:3000"]']


def test_what_seals_secrets_keeps_its_key_with_what_opens_them() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for name in ("collector", "notifier", "vantage"):
        key = Path(services[name]["environment"]["VANTAGE_SECRET_KEY_FILE"])
        assert f"authority:{key.parent}" in services[name]["volumes"]


def test_the_agent_says_the_version_that_is_built() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert pyproject["project"]["version"] == VERSION


def test_the_database_image_is_pinned() -> None:
    assert re.search(
        r"image: timescale/timescaledb:\d+\.\d+\.\d+-pg\d+$", COMPOSE.read_text(), re.M
    )


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The agent's unit, as on a machine where the program is installed."""
    text = (ROOT / "deploy" / "systemd" / "vantage-agent.service").read_text()
    path = tmp_path / "vantage-agent.service"
    path.write_text(text.replace("/opt/vantage/bin/vantage-agent run", "/bin/true"))
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = chromium.find("systemd-analyze")
    assert program, chromium.remedy(["systemd"])
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_against_the_agents_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_agents_unit_exposes_little_more_than_the_network(unit: Path) -> None:
    """1.3 of 10 with systemd 252; later ones may know of more."""
    done = analyze("security", "--offline=true", "--threshold=18", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def make_secrets(directory: Path) -> dict[str, str]:
    subprocess.run([ROOT / "deploy" / "secrets.sh", directory], check=True, capture_output=True)
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_secrets_are_the_ones_compose_mounts_and_are_made_once(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    made = make_secrets(directory)
    assert made.keys() == set(re.findall(r"file: secrets/([a-z-]+)", COMPOSE.read_text()))
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch("[0-9a-f]{32}", secret) for secret in made.values())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert make_secrets(directory) == made


@pytest.mark.parametrize("dockerfile", ["Dockerfile.agent", "Dockerfile.collector"])
def test_an_image_copies_only_its_own_folders(dockerfile: str) -> None:
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / dockerfile).read_text(), re.M)
    copied = {name for line in lines for name in line.split() if (ROOT / name).is_dir()}
    packages = {"agent"} if dockerfile == "Dockerfile.agent" else {"collector", "dashboard"}
    assert copied == {"proto", *packages}


@pytest.mark.parametrize("dockerfile", ["Dockerfile.agent", "Dockerfile.collector"])
def test_an_image_does_not_run_as_root(dockerfile: str) -> None:
    assert re.findall(r"^USER (.+)$", (ROOT / dockerfile).read_text(), re.M) == ["10001"]
