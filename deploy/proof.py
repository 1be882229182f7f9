"""The proof that the images work: an agent in its image delivers to a collector in its own.

What deploy/compose.yaml runs is run here, on loopback and on a private TimescaleDB that asks for
passwords: migrate, the collector, setup.sh, the dashboard, an agent that joins and then runs.
"""

from __future__ import annotations

import http.client
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
from psycopg import sql

from collector.local_db import DATABASE, SUPERUSER, LocalDatabase
from collector.ports import free_ports
from collector.private_server import default_cache, ensure_server
from collector.progress import silent
from deploy.background import Background, background
from deploy.command import CommandError, output
from deploy.engines import Engine, Place

HERE = Path(__file__).parent
# Loopback, at an address that is hardly anybody's: the private server's port is fixed.
DATABASE_HOST = "127.83.65.78"
ACCESS = "local all all trust\nhost all all 127.0.0.0/8 scram-sha-256\n"
SECRETS = "/run/secrets"
LOCATION = "proof"
RESULTS = 5

COUNT = """
SELECT count(*)
FROM vantage.results
WHERE outcome = 'up'
    AND http_status = 200
    AND location = %s
"""
INSPECTION = """
test "$(id -u)" != 0 || { echo "It runs as root."; exit 1; }
for tool in cc gcc pip pip3 npm node; do
    ! command -v $tool || { echo "It holds $tool."; exit 1; }
done
"""


def prove(engine: Engine) -> str:
    """Run the images against each other; return what was seen, in a sentence.

    Raises: CommandError, CollectorError.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vantage-proof-")))
        secrets = folder / "secrets"
        output([str(HERE / "secrets.sh"), str(secrets)])
        secrets.chmod(0o755)  # for the containers' user; the folder around it is shut
        admin = stack.enter_context(database((secrets / "database-password").read_text()))
        url = stack.enter_context(website())
        mounts = {secrets: SECRETS, HERE / "setup.sh": "/deploy/setup.sh"}
        centre = Centre(
            stack.enter_context(
                engine.place("vantage-collector", state="/var/lib/vantage", mounts=mounts)
            )
        )
        agent = stack.enter_context(
            engine.place("vantage-agent", state="/var/lib/vantage-agent", mounts={})
        )
        for place in (centre.place, agent):
            output(place.script(INSPECTION))
        token = stack.enter_context(centre.running(url, folder))
        output(agent.command("join", environment={"VANTAGE_TOKEN": token}))
        allowed = {"VANTAGE_AGENT_ALLOW_NETWORK": "127.0.0.0/8"}
        run = agent.command("run", environment=allowed)
        started_at = time.monotonic()
        probing = stack.enter_context(background("agent", run, folder))
        probing.wait_for("results", lambda: results(admin) >= RESULTS)
        return (
            f"{results(admin)} results of {url} are in vantage.results"
            f" {time.monotonic() - started_at:.1f} s after the agent's start."
        )


class Centre:
    """Collector, dashboard and the operator's tool, in one place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.delivery = free_ports(3)
        self.enrolment, self.dashboard = self.delivery + 1, self.delivery + 2

    @contextmanager
    def running(self, url: str, folder: Path) -> Iterator[str]:
        """Migrate, serve and watch ``url``, for a while; gives the token for one agent."""
        output(self.migrate())
        with (
            background("collector", self.serve(), folder) as collector,
            background("dashboard", self.show(), folder) as dashboard,
        ):
            collector.wait_for("open port", lambda: answers(self.enrolment))
            output(self.setup())
            output(self.operate(f"monitor add {url} --interval 1s"))
            self.look_at(dashboard)
            yield output(self.place.script(f"cat {LOCATION}.token"))

    def migrate(self) -> list[str]:
        files = {
            f"VANTAGE_{role.upper()}_PASSWORD_FILE": f"{SECRETS}/{role}-password"
            for role in ("collector", "dashboard", "reader")
        }
        return self._as(
            "database",
            "vantage-collector migrate",
            VANTAGE_DATABASE=database_url(SUPERUSER),
            **files,
        )

    def serve(self) -> list[str]:
        return self._as(
            "collector",
            f"vantage-collector serve --listen 127.0.0.1:{self.delivery}"
            f" --enrolment-listen 127.0.0.1:{self.enrolment} --advertise :{self.delivery}",
            VANTAGE_DATABASE=database_url("vantage_collector"),
        )

    def setup(self) -> list[str]:
        environment = {
            "VANTAGE_DATABASE": database_url("vantage_collector"),
            "VANTAGE_COLLECTOR_ENROLMENT": f"127.0.0.1:{self.enrolment}",
            "ACCOUNT": "proof",
            "EMAIL": "you@localhost",
            "LOCATIONS": LOCATION,
        }
        return self.place.script("exec sh /deploy/setup.sh", environment)

    def operate(self, words: str) -> list[str]:
        return self._as(
            "collector", f"vantage {words}", VANTAGE_DATABASE=database_url("vantage_collector")
        )

    def show(self) -> list[str]:
        return self._as(
            "dashboard",
            f"vantage-dashboard serve --port {self.dashboard}",
            VANTAGE_DASHBOARD_DATABASE=database_url("vantage_dashboard"),
        )

    def look_at(self, dashboard: Background) -> None:
        """See that it reaches the database and has the assets that npm brought."""
        dashboard.wait_for("open port", lambda: answers(self.dashboard))
        connection = http.client.HTTPConnection("127.0.0.1", self.dashboard, timeout=10)
        with closing(connection):
            for path in ("/healthz", "/sign-in", "/static/any/monitor.js"):
                connection.request("GET", path)
                answer = connection.getresponse()
                if answer.status != HTTPStatus.OK:
                    text = answer.read(200).decode(errors="replace")
                    raise CommandError(f"The dashboard's {path} is {answer.status}: {text}")
                answer.read()

    def _as(self, role: str, program: str, **environment: str) -> list[str]:
        """Run a program as compose.yaml does: the password comes from the secret's file."""
        text = f"PGPASSWORD=$(cat {SECRETS}/{role}-password) exec {program}"
        return self.place.script(text, environment)


@contextmanager
def database(password: str) -> Iterator[str]:
    """Run a private TimescaleDB on loopback; gives the superuser's URL, over its socket."""
    with tempfile.TemporaryDirectory(prefix="vantage-proof-database-") as name:
        home = Path(name)
        home.chmod(0o755)  # for root the server runs as another user
        server = ensure_server(cache=default_cache(), progress=silent)
        local = LocalDatabase(home, server, settings={"listen_addresses": DATABASE_HOST})
        local.initialise()
        (local.data / "pg_hba.conf").write_text(ACCESS)
        try:
            local.popen()
            local.wait_ready()
            local.create_database()
            with psycopg.connect(local.url(), autocommit=True) as connection:
                statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
                connection.execute(
                    statement.format(sql.Identifier(SUPERUSER), sql.Literal(password))
                )
            yield local.url()
        finally:
            local.stop()


def database_url(role: str) -> str:
    """Return how a role reaches the database over TCP; its password comes from PGPASSWORD."""
    return f"postgresql://{role}@{DATABASE_HOST}/{DATABASE}"


@contextmanager
def website() -> Iterator[str]:
    """Serve a page on loopback; gives its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class Page(BaseHTTPRequestHandler):
    """A page for agents to fetch."""

    def do_GET(self) -> None:
        body = b"Hello.\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def results(admin_url: str) -> int:
    """Return how many good results the agent's location has."""
    with psycopg.connect(admin_url) as connection:
        row = connection.execute(COUNT, [LOCATION]).fetchone()
    return int(row[0]) if row else 0


def answers(port: int) -> bool:
    """Tell whether something listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
