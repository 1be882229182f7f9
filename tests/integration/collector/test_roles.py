"""Role passwords, on a server that asks for them: the tests' shared one trusts its socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from collector.cli import main
from collector.local_db import LocalDatabase
from collector.postgres import Server
from tests.support.database import running, temporary_home

ROLES = ("collector", "dashboard", "reader")


@pytest.fixture(scope="module")
def asking(private_server: Server) -> Iterator[LocalDatabase]:
    """A server where everybody but its superuser must show a password."""
    with temporary_home() as home, running(home, private_server) as local:
        local.create_database()
        with psycopg.connect(local.url(), autocommit=True) as connection:
            rules = "local all vantage trust\nlocal all all scram-sha-256\n"
            (local.data / "pg_hba.conf").write_text(rules)
            connection.execute("SELECT pg_reload_conf()")
        yield local


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, Path]:
    files = {role: tmp_path / role for role in ROLES}
    for role, file in files.items():
        file.write_text(f"it's {role} \\ ünsecret\n")
    return files


def migrate(local: LocalDatabase, files: dict[str, Path]) -> Result:
    options = [f"--{role}-password-file={file}" for role, file in files.items()]
    result = CliRunner().invoke(main, ["migrate", f"--database={local.url()}", *options])
    assert "Traceback" not in result.output
    return result


def signs_in(local: LocalDatabase, role: str, password: str) -> bool:
    try:
        psycopg.connect(local.url(role=f"vantage_{role}"), password=password).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
    return True


def test_roles_sign_in_with_the_passwords_that_were_given(
    asking: LocalDatabase, secrets: dict[str, Path]
) -> None:
    assert migrate(asking, {}).exit_code == 0
    for role in ROLES:
        with psycopg.connect(asking.url(), autocommit=True) as connection:
            connection.execute(f"ALTER ROLE vantage_{role} PASSWORD NULL".encode())
        assert not signs_in(asking, role, "anything")
    given = migrate(asking, secrets)
    assert given.exit_code == 0, given.output
    for role, file in secrets.items():
        assert signs_in(asking, role, file.read_text().strip())
        assert not signs_in(asking, role, "another")


def test_a_password_left_out_stays_as_it_is(
    asking: LocalDatabase, secrets: dict[str, Path]
) -> None:
    assert migrate(asking, secrets).exit_code == 0
    assert migrate(asking, {}).exit_code == 0
    assert signs_in(asking, "collector", secrets["collector"].read_text().strip())


def test_an_unreadable_password_file_stops_it_before_anything_is_changed(
    asking: LocalDatabase, secrets: dict[str, Path], tmp_path: Path
) -> None:
    assert migrate(asking, secrets).exit_code == 0
    secrets["collector"].write_text("a new one\n")
    result = migrate(asking, {**secrets, "reader": tmp_path / "absent"})
    assert (result.exit_code, str(tmp_path / "absent") in result.output) == (1, True)
    assert not signs_in(asking, "collector", "a new one")


def test_passwords_never_reach_the_servers_log(
    asking: LocalDatabase, secrets: dict[str, Path]
) -> None:
    with psycopg.connect(asking.url(), autocommit=True) as connection:
        connection.execute("ALTER DATABASE vantage SET log_statement = 'all'")
    assert migrate(asking, secrets).exit_code == 0
    said = asking.log.read_text()
    assert "ALTER ROLE" in said
    assert "ünsecret" not in said
