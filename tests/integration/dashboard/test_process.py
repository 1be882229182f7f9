"""vantage-dashboard as a program: how it starts, what it says when it cannot, how it ends."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from tests.integration.dashboard.conftest import Visitor
from tests.support.certificates import TestAuthority
from tests.support.database import Database, Databases
from tests.support.processes import free_port, wait_until
from tests.support.report_centre import serving
from tests.support.seed import STATEMENTS


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dashboard", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_taken_port_gets_a_sentence(database: Database, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(
            f"--database={database.url(role='vantage_dashboard')}",
            f"--port={port}",
            f"--secret-file={tmp_path / 'secret'}",
        )
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 cannot be listened on: Address already in use." in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_trusted_proxy_is_an_address(tmp_path: Path) -> None:
    options = ("--database=postgresql://", f"--secret-file={tmp_path / 'secret'}")
    done = serve(*options, "--trusted-proxy=10.0.0.0/8, proxy.example")
    assert done.returncode == 1
    assert "--trusted-proxy names 'proxy.example', which is no address or network" in done.stderr


def test_open_registration_needs_mail_or_an_identity_provider(tmp_path: Path) -> None:
    options = ("--database=postgresql://", f"--secret-file={tmp_path / 'secret'}")
    done = serve(*options, "--registration=open")
    assert done.returncode == 1
    assert "name one with --smtp or --oidc-issuer" in done.stderr
    assert not (tmp_path / "secret").exists()


def test_an_unreachable_database_gets_a_sentence(tmp_path: Path) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    done = serve(f"--database={url}", f"--secret-file={tmp_path / 'secret'}")
    assert done.returncode == 1
    assert "The database does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_databases_url_that_cannot_be_read_is_not_repeated(tmp_path: Path) -> None:
    done = serve("--database=postgres//u:geheim@host/x", f"--secret-file={tmp_path / 'secret'}")
    assert done.returncode == 1
    assert "The database's URL cannot be read" in done.stderr
    assert "geheim" not in done.stderr


def test_a_database_without_a_schema_gets_a_sentence(
    empty_database: Database, tmp_path: Path
) -> None:
    done = serve(f"--database={empty_database.url()}", f"--secret-file={tmp_path / 'secret'}")
    assert done.returncode == 1
    assert "vantage-collector migrate" in done.stderr


def test_a_schema_of_another_version_gets_a_sentence(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.url(), autocommit=True) as owner:
        owner.execute("ALTER VIEW report.latest RENAME COLUMN has_trouble TO had_trouble")
    done = serve(f"--database={database.url()}", f"--secret-file={tmp_path / 'secret'}")
    assert done.returncode == 1
    assert "another than this program's: column latest.has_trouble does not exist" in done.stderr
    assert done.stderr.endswith("migrate, which tells if this program is the older.\n")


def test_an_unusable_secret_gets_a_sentence(database: Database, tmp_path: Path) -> None:
    short = tmp_path / "secret"
    short.write_text("short\n")
    for path, reason in ((short, "fewer than 32"), (tmp_path / "no" / "such", "No such file")):
        done = serve(f"--database={database.url()}", f"--secret-file={path}")
        assert done.returncode == 1
        assert reason in done.stderr
        assert "Traceback" not in done.stderr


def test_it_speaks_tls_itself_and_logs_who_came(database: Database, tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    leaf = authority.issue("127.0.0.1")
    access_log = tmp_path / "access.log"
    options = (
        f"--tls-cert={leaf.certificate}",
        f"--tls-key={leaf.key}",
        f"--access-log={access_log}",
        "--access-log-anonymise",
    )
    with serving(database, tmp_path, *options) as centre:
        context = ssl.create_default_context(cafile=authority.path)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", centre.port, timeout=60, context=context
        )
        connection.request("GET", "/sign-in")
        answer = connection.getresponse()
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert b"over plain http" not in answer.read()
        connection.request(
            "GET", "/m/4711/r/latest/fra?loc=secret", headers={"User-Agent": "Opera"}
        )
        connection.getresponse().read()
        connection.close()
        wait_until(lambda: len(access_log.read_text().splitlines()) == 2, what="both lines")
        line = json.loads(access_log.read_text().splitlines()[-1])
        assert line["route"] == "/m/{monitor_id:int}/r/{slot}/{location}"
        assert (line["address"], line["browser"], line["status"]) == ("127.0.0.0", "Opera", 404)
        wait_until(lambda: centre.program.said().count("request_answered") == 2, what="its own")
        requests = [each for each in centre.program.said().splitlines() if "request_ans" in each]
        assert not any("4711" in each or "127.0.0" in each for each in requests)


def test_half_a_certificate_gets_a_sentence(database: Database, tmp_path: Path) -> None:
    leaf = TestAuthority(tmp_path).issue("127.0.0.1")
    base = (f"--database={database.url()}", f"--secret-file={tmp_path / 'secret'}")
    for options, sentence in (
        ([f"--tls-cert={leaf.certificate}"], "name both or neither"),
        ([f"--tls-cert={leaf.key}", f"--tls-key={leaf.key}"], "cannot be used together"),
    ):
        done = serve(*base, *options)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_what_is_forwarded_counts_from_the_trusted_proxy_alone(
    database: Database, tmp_path: Path
) -> None:
    with serving(database, tmp_path, "--trusted-proxy=192.0.2.1") as centre:
        visitor = Visitor(centre)
        statuses = [
            visitor.sign_in("a@b.example", "x", X_Forwarded_For=f"198.51.100.{number}").status
            for number in range(11)
        ]
        assert statuses == [401] * 10 + [429]
        answer = visitor.ask("/sign-in", X_Forwarded_Proto="https", Host="reports.example")
        assert "over plain http" in answer.text
        # Nothing is uploaded here, signed in or not.
        body = {"csrf": visitor.form_token(), "email": "x" * 300_000}
        refused = visitor.ask("/sign-in", "POST", body)
        assert refused.status == 413
        assert "A request may hold 256 KiB" in refused.text
        assert "<h1>Too much at once</h1>" in refused.text
        problem = visitor.ask("/api/v1/monitors", "POST", json={"name": "x" * 300_000})
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.status == 413
        assert refused.headers["content-security-policy"].startswith("default-src 'none'")
        for method in ("TRACE", "PUT", "DELETE"):
            assert visitor.ask("/sign-in", method).status == 405


def test_an_address_has_so_many_tries_whatever_names_it_gives(
    database: Database, tmp_path: Path
) -> None:
    secret = tmp_path / "client-secret"
    secret.write_text("secret\n")
    options = (
        f"--smtp=smtp://127.0.0.1:{free_port()}",
        "--mail-from=reports@example.com",
        "--public-url=https://reports.example",
        f"--oidc-issuer=http://127.0.0.1:{free_port()}",
        "--oidc-client-id=centre",
        f"--oidc-client-secret-file={secret}",
    )
    with serving(database, tmp_path, *options) as centre:
        stranger = Visitor(centre)
        form = {"csrf": stranger.form_token("/reset")}

        def reset(email: str) -> int:
            return stranger.ask("/reset", "POST", {**form, "email": email}).status

        assert stranger.sign_in("a@b.example", "x").status == 401
        away = stranger.ask("/sign-in/provider")
        assert away.status == 503
        assert "The identity provider does not answer as it should" in away.text
        assert {reset(f"{number}@b.example") for number in range(98)} == {200}
        assert stranger.sign_in("another@b.example", "x").status == 429
        assert reset("another@b.example") == 429
        assert stranger.ask("/sign-in/provider").status == 429


def test_an_access_log_that_cannot_be_gets_a_sentence(tmp_path: Path) -> None:
    base = ("--database=postgresql:///none", f"--secret-file={tmp_path / 'secret'}")
    for options, sentence in (
        ([f"--access-log={tmp_path / 'no' / 'such'}"], "cannot be written: No such file"),
        (["--access-log-retention=7"], "name its file with --access-log."),
    ):
        done = serve(*base, *options)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_a_stream_that_is_open_ends_with_it(database: Database, tmp_path: Path) -> None:
    with psycopg.connect(database.url()) as connection:
        connection.execute(STATEMENTS["people"].encode(), {"password_hash": "x"})
        connection.execute(
            "INSERT INTO vantage.sessions (token_hash, user_id, expires_at)"
            " SELECT sha256('token'), id, now() + '1 h'"
            " FROM vantage.users LIMIT 1"
        )
    with serving(database, tmp_path) as centre:
        stream = http.client.HTTPConnection("127.0.0.1", centre.port, timeout=60)
        stream.request("GET", "/live", headers={"Cookie": "vantage=token"})
        response = stream.getresponse()
        assert response.status == 200
        assert response.readline().startswith(b"retry:")
        assert centre.program.stop() == 0
        # Who is cut off after its last seconds gets no proper end: this raises.
        response.read()
        stream.close()


def test_it_outlives_its_database(databases: Databases, tmp_path: Path) -> None:
    with databases.migrated() as database, serving(database, tmp_path) as centre:

        def health() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", centre.port, timeout=60)
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
            connection.close()
            return status

        assert health() == 200
        with psycopg.connect(database.server_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database.name],
            )
            assert health() == 503
            page = Visitor(centre).ask("/incidents", Cookie="vantage=any")
            assert page.status == 503
            assert '<a href="">Try again</a>' in page.text
            connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())
        deadline = time.monotonic() + 60
        while health() != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
