"""Terms and secrets of monitors, from the command line to what agents are sent."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector import db
from collector.assigned import monitor
from collector.errors import CollectorError
from collector.migrate import migrate
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.secret import make_settable
from tests.support import applying
from tests.support.certificates import TestAuthority
from tests.support.collector import fetch
from tests.support.database import Database
from vantage.v1 import monitor_pb2

URL = "https://a.example/"
NONCE = bytes(12)
BEFORE_0052 = """
DROP TABLE vantage.secrets CASCADE;
CREATE TABLE vantage.monitor_secrets (
    monitor_id integer PRIMARY KEY REFERENCES vantage.monitors ON DELETE CASCADE,
    names text[] NOT NULL,
    key_id text NOT NULL,
    nonce bytea NOT NULL,
    sealed bytea NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
);
DELETE FROM vantage.migrations WHERE name ~ '^0052';
"""


class Vantage(applying.Vantage):
    def add(self, *options: str, stdin: str | None = None, url: str = URL) -> int:
        added = self("monitor", "add", url, *options, stdin=stdin)
        assert added.exit_code == 0, added.output
        return int(added.output.split()[-1].rstrip("."))

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def sent(self, monitor_id: int) -> monitor_pb2.Monitor:
        """Return what an agent would be told of a monitor."""
        statement = db.queries("delivery")["assigned_monitors"]
        [row] = fetch(self.url, statement, {"monitor_ids": [monitor_id]})
        return monitor(row, self.keyring)


@pytest.fixture
def vantage(database: Database, tmp_path: Path) -> Vantage:
    vantage = Vantage(database, tmp_path)
    with db.session(vantage.url) as connection:
        add_account(connection, "acme", "a@acme.example", "long enough")
        add_location(connection, name="fra", title="Frankfurt")
    return vantage


def test_terms_and_secrets_reach_the_agents(vantage: Vantage) -> None:
    authority = TestAuthority(vantage.folder)
    me = authority.issue("me.example", is_for_clients=True)
    monitor_id = vantage.add(
        "--auth-file=-",
        f"--secret-header=X-Key={vantage.file('key', 'hidden-header')}",
        f"--client-cert={me.certificate}",
        f"--client-key={me.key}",
        f"--ca-file={authority.path}",
        "--proxy=socks5h://proxy.example:1080",
        f"--proxy-auth-file={vantage.file('proxy', 'pat:hidden-proxy')}",
        "--name-server=2001:db8::53",
        "--ip-version=both",
        "--phase-timeout=wait=300ms",
        "--phase-timeout=dns=2s",
        stdin="ann:hidden-password\n",
    )
    monitor = vantage.sent(monitor_id)
    assert (monitor.is_paired, monitor.name_server) == (True, "[2001:db8::53]:53")
    request = monitor.request
    assert [(each.name, each.value) for each in request.secret_headers] == [
        ("Authorization", "Basic YW5uOmhpZGRlbi1wYXNzd29yZA=="),
        ("X-Key", "hidden-header"),
    ]
    assert request.client_key == me.key.read_text().strip()
    assert request.client_certificate == me.certificate.read_text().strip()
    assert request.authority == authority.path.read_text().strip()
    assert (request.proxy, request.proxy_username, request.proxy_password) == (
        "socks5h://proxy.example:1080",
        "pat",
        "hidden-proxy",
    )
    assert (request.phase_timeouts.wait_us, request.phase_timeouts.dns_us) == (300_000, 2_000_000)
    assert not request.phase_timeouts.HasField("tls_us")
    for as_json in ([], ["--json"]):
        for shown in (
            vantage("monitor", "show", str(monitor_id), *as_json).output,
            vantage("secrets", "list", *as_json).output,
        ):
            assert "hidden" not in shown
            assert "PRIVATE KEY" not in shown
            for name in ("Authorization", "X-Key", "client key", "proxy password"):
                assert name in shown
    assert "Prüfling me.example, until" in vantage("monitor", "show", str(monitor_id)).output
    bearer = vantage.add("--auth=bearer", f"--auth-file={vantage.file('t', 'tok')}")
    [header] = vantage.sent(bearer).request.secret_headers
    assert (header.name, header.value) == ("Authorization", "Bearer tok")
    chat = vantage.add(
        f"--auth-file={vantage.file('login', 'ann:tok')}",
        f"--ca-file={authority.path}",
        "--phase-timeout=wait=1s",
        url="wss://chat.example/",
    )
    [header] = vantage.sent(chat).request.secret_headers
    assert header.name == "Authorization"
    directory = vantage.add(
        f"--ca-file={authority.path}",
        f"--client-cert={me.certificate}",
        f"--client-key={me.key}",
        url="tls://ldap.example:636",
    )
    request = vantage.sent(directory).request
    assert (bool(request.authority), bool(request.client_key)) == (True, True)
    plain = vantage.sent(vantage.add("--connect-to=192.0.2.7"))
    assert plain.connect_to == "192.0.2.7"
    assert len(plain.request.secret_headers) == 0
    assert not plain.request.HasField("phase_timeouts")


def test_the_database_holds_no_secret(vantage: Vantage) -> None:
    vantage.add(f"--secret-header=X-Key={vantage.file('key', 'hidden-header')}")
    with psycopg.connect(vantage.owner) as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace::regnamespace::text IN ('vantage', 'report')"
        ).fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
                assert b"hidden" not in b"".join(bytes(chunk) for chunk in copy), table
    reader = vantage.owner.replace("user=vantage ", "user=vantage_reader ")
    if reader == vantage.owner:
        reader = vantage.url.replace("vantage_collector", "vantage_reader")
    [row] = fetch(reader, "SELECT monitor_id, name, key_id FROM vantage.secrets")
    assert row["name"] == "X-Key"
    for column in ("sealed", "nonce"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            fetch(reader, f"SELECT {column} FROM vantage.secrets")


def test_keys_rotate_while_secrets_stay(vantage: Vantage) -> None:
    one = vantage.add(f"--auth-file={vantage.file('a', 'ann:first')}")
    two = vantage.add(f"--auth-file={vantage.file('b', 'bob:second')}")
    before = [vantage.sent(each).request for each in (one, two)]
    assert vantage("secrets", "new-key").exit_code == 0
    assert "in use" in vantage("secrets", "prune").output
    assert "monitors, 2; addresses of channels, 0." in vantage("secrets", "rotate").output
    assert "Taken out" in vantage("secrets", "prune").output
    assert len(vantage.keyring.file.read_text().split()) == 1
    assert [vantage.sent(each).request for each in (one, two)] == before
    # Nothing is sealed any more, but whatever somebody sets now will be, with the published key.
    for monitor_id in (one, two):
        vantage("secrets", "forget", str(monitor_id))
    vantage("secrets", "new-key")
    assert "in use" in vantage("secrets", "prune").output


@pytest.mark.parametrize(
    "change",
    [
        "sealed = (SELECT sealed FROM vantage.secrets WHERE monitor_id = 2 AND name = 'X-Key')",
        "sealed = (SELECT sealed FROM vantage.secrets WHERE monitor_id = 1 AND name = 'Y-Key')",
        "sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)",
        "sealed = ''",
    ],
)
def test_a_secret_opens_in_its_own_place_alone(vantage: Vantage, change: str) -> None:
    key = f"-Key={vantage.file('k', 'the same key')}"
    one = vantage.add(f"--secret-header=X{key}", f"--secret-header=Y{key}")
    two = vantage.add(f"--secret-header=X{key}")
    assert (one, two) == (1, 2)
    with psycopg.connect(vantage.url) as connection:
        connection.execute(
            f"UPDATE vantage.secrets SET {change} WHERE monitor_id = 1 AND name = 'X-Key'".encode()
        )
    with pytest.raises(CollectorError, match="The secret X-Key of monitor 1 does not open"):
        vantage.sent(one)
    assert vantage.sent(two).request.secret_headers[0].value == "the same key"


def test_what_was_sealed_together_stays_readable(vantage: Vantage) -> None:
    """As the database had it while a monitor had one row for all of its secrets."""
    monitor_id = vantage.add()
    vantage.keyring.add()
    key_id, key = vantage.keyring.newest
    content = {"headers": [["X-Key", "one"], ["X-Key", "two"]], "proxy": ["pat", "hidden"]}
    sealed = AESGCM(key).encrypt(
        NONCE, json.dumps({**content, "client_key": "PEM"}).encode(), b"vantage.monitors/1"
    )
    with psycopg.connect(vantage.owner) as connection:
        connection.execute(BEFORE_0052)
        connection.execute(
            "INSERT INTO vantage.monitor_secrets (monitor_id, names, key_id, nonce, sealed)"
            " VALUES (%s, '{X-Key,X-Key,client key,proxy password}', %s, %s, %s)",
            [monitor_id, key_id, NONCE, sealed],
        )
    assert migrate(vantage.owner) == ["0052_pre_seal_secrets_one_by_one.sql"]
    before = vantage.sent(monitor_id).request
    assert [each.value for each in before.secret_headers] == ["one, two"]
    assert (before.client_key, before.proxy_password) == ("PEM", "hidden")
    with db.session(vantage.url) as connection:
        make_settable(connection, vantage.keyring)
    assert vantage.sent(monitor_id).request == before
    assert fetch(vantage.url, "SELECT FROM vantage.secrets WHERE nonce IS NOT NULL") == []
    # The report centre may seal from then on.
    assert len(fetch(vantage.url, "SELECT FROM vantage.sealing_keys")) == 1


def test_a_lost_key_file_is_told_and_never_made_anew(vantage: Vantage) -> None:
    one = vantage.add(f"--auth-file={vantage.file('a', 'ann:first')}")
    vantage.keyring.file.rename(vantage.folder / "kept")
    with pytest.raises(CollectorError, match="secret-key-file"):
        vantage.sent(one)
    for refused in (
        vantage("monitor", "add", URL, f"--auth-file={vantage.folder / 'a'}"),
        vantage("secrets", "rotate"),
        vantage("secrets", "new-key"),
    ):
        assert (refused.exit_code, "secret.key" in refused.output) == (1, True), refused.output
    assert not vantage.keyring.file.exists()
    assert len(fetch(vantage.url, "SELECT FROM vantage.monitors")) == 1


def test_secrets_are_set_anew_and_forgotten(vantage: Vantage) -> None:
    one = vantage.add(f"--auth-file={vantage.file('a', 'ann:first')}")
    assert vantage("secrets", "set", str(one), "--auth-file=-", stdin="ann:next").exit_code == 0
    [header] = vantage.sent(one).request.secret_headers
    assert header.value == "Basic YW5uOm5leHQ="
    assert vantage("secrets", "forget", str(one)).exit_code == 0
    assert len(vantage.sent(one).request.secret_headers) == 0
    assert vantage("secrets", "forget", str(one)).exit_code == 1
    assert vantage("secrets", "set", "99", "--auth-file=-", stdin="a:b").exit_code == 1
    assert vantage("secrets", "set", str(one)).exit_code == 2


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        ("name = 'other'", True),
        ("url = 'https://a.example/elsewhere'", True),
        ("url = 'https://b.example/'", False),
        ("url = 'http://a.example/'", False),
        ("url = 'https://a.example:8443/'", False),
        ("is_insecure = true", False),
        ("connect_to = '192.0.2.7'", False),
        ("proxy = 'http://b.example:3128'", False),
        ("name_server = '192.0.2.53:53'", False),
        ("authority = 'PEM'", False),
        ("removed_at = now()", False),
    ],
)
def test_who_leads_a_monitor_elsewhere_takes_no_secret_along(
    vantage: Vantage, change: str, is_kept: bool
) -> None:
    vantage.add(f"--auth-file={vantage.file('a', 'ann:first')}")
    with psycopg.connect(vantage.url) as connection:
        connection.execute(f"UPDATE vantage.monitors SET {change}".encode())
    assert bool(fetch(vantage.url, "SELECT FROM vantage.secrets")) is is_kept


def test_an_edit_keeps_secrets_and_takes_them_nowhere_else(vantage: Vantage) -> None:
    one = str(vantage.add("--auth-file=-", f"--secret-header=X-Key={vantage.file('k', 'key')}",
                          stdin="ann:first"))  # fmt: skip
    before = vantage.sent(int(one)).request
    assert vantage("monitor", "edit", one, "--interval=5m").exit_code == 0
    assert vantage.sent(int(one)).request == before
    key = f"--secret-header=X-Key={vantage.file('k', 'other')}"
    assert vantage("monitor", "edit", one, key).exit_code == 0
    sent = [each.value for each in vantage.sent(int(one)).request.secret_headers]
    assert sent == [before.secret_headers[0].value, "other"]
    elsewhere = "--url=https://b.example/"
    for options in ([], [key]):
        refused = vantage("monitor", "edit", one, elsewhere, *options)
        assert (refused.exit_code, "must not go: Authorization" in refused.output) == (1, True)
    assert [each.value for each in vantage.sent(int(one)).request.secret_headers] == sent
    assert vantage("monitor", "edit", one, elsewhere, "--unset=auth-file", key).exit_code == 0
    [header] = vantage.sent(int(one)).request.secret_headers
    assert (header.name, header.value) == ("X-Key", "other")


def test_what_cannot_be_is_refused_and_nothing_told(vantage: Vantage) -> None:
    me = TestAuthority(vantage.folder).issue("me.example")
    other_key, locked_key = (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        .decode()
        for encryption in (
            serialization.NoEncryption(),
            serialization.BestAvailableEncryption(b"a-password"),
        )
    )
    hidden = vantage.file("hidden", "hidden-secret")
    nonsense = vantage.file("nonsense", "nonsense")
    for url, options, why in (
        (URL, [f"--auth-file={hidden}"], "user:password"),
        (URL, ["--auth-file=/nonexistent"], "cannot be read"),
        (URL, [f"--auth-file={vantage.file('empty', '')}"], "is empty"),
        (URL, [f"--secret-header=X Y={hidden}"], "no header name"),
        (URL, ["--secret-header=X-Key"], "NAME=FILE"),
        (URL, [f"--secret-header=Host={vantage.file('lines', 'a' + chr(10) + 'b')}"], "be sent"),
        (URL, [f"--client-cert={me.certificate}"], "go together"),
        (URL, [f"--client-cert={nonsense}", f"--client-key={me.key}"], "no PEM certificate"),
        (URL, [f"--client-cert={me.certificate}", f"--client-key={hidden}"], "no private key"),
        (
            URL,
            [
                f"--client-cert={me.certificate}",
                f"--client-key={vantage.file('k', other_key)}",
            ],
            "is not the key",
        ),
        (
            URL,
            [
                f"--client-cert={me.certificate}",
                f"--client-key={vantage.file('locked', locked_key)}",
            ],
            "a key with a password",
        ),
        (URL, [f"--ca-file={nonsense}"], "no PEM certificate"),
        (URL, ["--proxy=http://me:hidden@proxy.example:1"], "--proxy-auth-file"),
        (URL, ["--proxy=ftp://proxy.example:1"], "one of"),
        (URL, [f"--proxy-auth-file={vantage.file('p', 'a:b')}"], "no --proxy"),
        (URL, ["--connect-to=a.example"], "no address"),
        (URL, ["--connect-to=192.0.2.7", "--proxy=http://p.example:1"], "no proxy"),
        (URL, ["--name-server=a.example"], "no address"),
        (URL, ["--phase-timeout=tea=1s"], "no phase"),
        (URL, ["--phase-timeout=wait=2h"], "1 ms to 60 s"),
        ("http://192.0.2.1/", ["--ip-version=both"], "names an address"),
        (URL, ["--proxy=http://p.example:1", "--http-version=3"], "HTTP/3"),
        (URL, ["--page", "--ip-version=both"], "one family"),
        (URL, ["--page", "--phase-timeout=wait=1s"], "no timeouts of phases"),
        ("tcp://a.example:1", ["--proxy=http://p.example:1"], "tcp has no use for a proxy"),
        ("tcp://a.example:1", ["--phase-timeout=connect=1s"], "tcp has no use for the timeout"),
        ("smtp://a.example", [f"--ca-file={me.certificate}"], "smtp has no use for an authority"),
        ("imaps://a.example", [f"--auth-file={vantage.file('l', 'a:b')}"], "an authorization"),
        ("http://192.0.2.1/", ["--name-server=192.0.2.53"], "names an address"),
    ):
        refused = vantage("monitor", "add", url, *options)
        assert refused.exit_code in (1, 2), (options, refused.output)
        assert why in " ".join(refused.output.split()), (options, refused.output)
        assert "hidden-secret" not in refused.output
    assert json.loads(vantage("monitor", "list", "--json").output) == []
    assert fetch(vantage.url, "SELECT FROM vantage.secrets") == []
