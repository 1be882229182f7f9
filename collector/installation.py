"""The processes of one home: what each is told, in which order they start and end."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collector import db, demo
from collector.console import Console
from collector.errors import CollectorError
from collector.local_agent import LocalAgent
from collector.monitor import Monitor
from collector.operator.account import account_id, add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from collector.ports import free_ports, must_be_free
from collector.status_line import StatusLine
from collector.supervisor import Child
from collector.up_settings import DatabaseUrls, Settings

ACCOUNT = "home"
EMAIL = "you@localhost"
LOCATIONS = {f"local-{number}": f"Local {number}" for number in (1, 2, 3)}
INTERVAL_S = 10
# Of a part that still runs: a first start compiles every module, on whatever machine.
READY_S = 180.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the collector listens; fixed for agents elsewhere, free ones otherwise."""

    delivery: int
    enrolment: int


class Installation:
    """The processes of one home, and what they are told."""

    def __init__(self, settings: Settings, console: Console, database: DatabaseUrls) -> None:
        self.settings = settings
        self.console = console
        self.database = database
        self.home = settings.home
        self.logs = self.home / "log"
        self.children: list[Child] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.host = settings.agent_host or "127.0.0.1"

    async def start(self) -> None:
        """Start every part, each when what it needs is ready."""
        self.logs.mkdir(exist_ok=True)
        demo_port = await asyncio.to_thread(self.configure)
        ports = self.ports()
        if demo_port is not None:
            self.run("demo", "collector.demo", f"--port={demo_port}", f"--directory={self.demo}")
        await self.start_collector(ports)
        self.run(
            "notifier",
            "collector",
            "notify",
            *self.settings.allowed,
            VANTAGE_DATABASE=self.database.collector,
            VANTAGE_SECRET_KEY_FILE=str(self.home / "secret.key"),
            **self.mail("VANTAGE_COLLECTOR_NOTIFY"),
        )
        self.console.done("The collector is running")
        await asyncio.gather(*(self.start_agent(name, ports) for name in LOCATIONS))
        self.console.done(f"{len(LOCATIONS)} agents are enrolled and running")
        self.run(
            "dashboard",
            "dashboard",
            "serve",
            "--host=127.0.0.1",
            f"--port={self.settings.port}",
            f"--secret-file={self.home / 'dashboard.secret'}",
            VANTAGE_DASHBOARD_DATABASE=self.database.dashboard,
            VANTAGE_DASHBOARD_REGISTRATION=self.settings.registration,
            **self.mail("VANTAGE_DASHBOARD"),
        )
        await self.answering(self.settings.port, "dashboard")
        self.console.done("The dashboard is running")
        self.welcome()

    @property
    def demo(self) -> Path:
        return self.home / "demo"

    def mail(self, prefix: str) -> dict[str, str]:
        """What a program that sends mail is told of it."""
        return {} if self.settings.mail is None else self.settings.mail.environment(prefix)

    def run(self, name: str, module: str, *arguments: str, **environment: str) -> None:
        """Supervise ``python -m MODULE``; secrets travel in its environment."""
        command = [sys.executable, "-m", module, *arguments]
        child = Child(name, command, self.logs / f"{name}.log", {**os.environ, **environment})
        self.children.append(child)
        self.tasks.append(asyncio.create_task(child.run(), name=name))

    def configure(self) -> int | None:
        """Make account, locations and monitors where they are missing.

        Returns the demonstration target's port; None: nothing watches it.
        """
        with db.session(self.database.admin) as connection:
            statements = db.queries("operator")
            if not connection.execute(statements["accounts"]).fetchone():
                password = secrets.token_urlsafe(9)
                add_account(connection, ACCOUNT, EMAIL, password)
                operator = {"email": EMAIL, "is_operator": True}
                connection.execute(statements["set_operator"], operator)
                write_private(self.sign_in_file, json.dumps([EMAIL, password]))
            known = {row["name"] for row in connection.execute(statements["locations"])}
            for name, title in LOCATIONS.items():
                if name not in known:
                    add_location(connection, name=name, title=title)
            watched = {row["url"] for row in connection.execute(statements["monitors"])}
            for url in self.settings.urls:
                if url not in watched:
                    add_monitor(
                        connection,
                        account_id(connection, None),
                        Monitor(url=url, interval_s=INTERVAL_S),
                    )
            return self.configure_demo(connection, watched)

    def configure_demo(self, connection: db.Connection, watched: set[str]) -> int | None:
        port_file = self.demo / "port"
        if port_file.exists():
            port = int(port_file.read_text())
            return port if watched & {scene.url(port) for scene in demo.SCENES} else None
        # The demonstration is on the machine itself.
        if watched or self.settings.urls or not self.settings.allowed:
            return None
        demo.certificate(self.demo)
        port = free_ports(2)
        port_file.write_text(str(port))
        for scene in demo.SCENES:
            add_monitor(
                connection,
                account_id(connection, None),
                Monitor(
                    url=scene.url(port),
                    name=scene.name,
                    interval_s=INTERVAL_S,
                    slow_s=scene.slow_s,
                ),
            )
        return port

    def ports(self) -> Ports:
        if self.settings.agent_host is None:
            port = free_ports(2)
            return Ports(port, port + 1)
        must_be_free("0.0.0.0", 7443, "another machine")  # noqa: S104 - agents come from there
        must_be_free("0.0.0.0", 7444, "another machine")  # noqa: S104
        return Ports(7443, 7444)

    async def start_collector(self, ports: Ports) -> None:
        bind = "127.0.0.1" if self.settings.agent_host is None else "0.0.0.0"  # noqa: S104
        write_private(self.home / "enrolment-address", f"{self.host}:{ports.enrolment}")
        self.run(
            "collector",
            "collector",
            "serve",
            f"--authority={self.home / 'authority'}",
            f"--listen={bind}:{ports.delivery}",
            f"--enrolment-listen={bind}:{ports.enrolment}",
            f"--advertise={self.host}:{ports.delivery}",
            VANTAGE_DATABASE=self.database.collector,
            VANTAGE_SECRET_KEY_FILE=str(self.home / "secret.key"),
        )
        await self.answering(ports.delivery, "collector")
        await self.answering(ports.enrolment, "collector")

    async def start_agent(self, location: str, ports: Ports) -> None:
        home = self.home / "agents" / location
        await LocalAgent(location, home, self.database.admin, ports.enrolment).enrol()
        trusted = [f"--trust-ca={self.demo / 'authority.pem'}"] if self.demo.exists() else []
        self.run(
            f"agent-{location}",
            "agent",
            "run",
            f"--home={home}",
            f"--collector=127.0.0.1:{ports.delivery}",
            *self.settings.allowed,
            *trusted,
        )

    async def answering(self, port: int, name: str) -> None:
        """Wait until a child listens. Raises: CollectorError with the end of its log."""
        child = next(child for child in self.children if child.name == name)
        deadline = asyncio.get_running_loop().time() + READY_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if child.restarts > 2:
                    raise CollectorError(
                        f"The {name} does not start. {child.last_words()}"
                    ) from None
                if asyncio.get_running_loop().time() > deadline:
                    raise CollectorError(
                        f"The {name} is not ready after {READY_S:.0f} s; the machine may have too "
                        f"much to do. {child.last_words()}"
                    ) from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    def welcome(self) -> None:
        """Say where to look and how to sign in."""
        say = self.console.say
        say()
        say(f"  Dashboard  http://127.0.0.1:{self.settings.port}/")
        if self.sign_in_file.exists():
            email, password = json.loads(self.sign_in_file.read_text())
            say(f"  Sign in    {email}   password  {password}")
        else:
            say("  Sign in    with your account's e-mail address and password")
        say(f"  Query      {self.settings.query}")
        mail = self.settings.mail
        say(f"  Mail       by {mail.smtp}" if mail else "  Mail       off; to send it: --smtp")
        say()

    @property
    def sign_in_file(self) -> Path:
        return self.home / "sign-in.json"

    async def watch(self, stopping: asyncio.Event) -> None:
        """Show how it goes until told to stop, or the duration is over."""
        line = StatusLine(self.console, self.database.reader, self.children, self.logs)
        showing = asyncio.create_task(line.keep())
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait(
                [showing, stopped],
                timeout=self.settings.duration_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            stopped.cancel()
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing

    async def stop(self) -> None:
        """End the parts in the direction of the results, so that what is measured is stored."""
        for names in (("agent-",), ("dashboard", "demo", "notifier"), ("collector",)):
            await asyncio.gather(
                *(child.stop() for child in self.children if child.name.startswith(names))
            )
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)
