"""Every route of the report centre, walked by those whom it must not show another account.

The routes are the application's own, so a new one is walked as well.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import psycopg
import pytest
from starlette.routing import Mount, Route

from dashboard.lists import LISTS, OF_INCIDENT
from dashboard.monitor_data import SHAPES
from dashboard.settings import Settings
from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support import seed, tenant
from tests.support.database import Databases
from tests.support.report_centre import Centre, serving
from tests.support.tenant import ACCOUNT, MARK, REMOVED, SLUG, Tenant

# What each parameter of a route is tried with: the planted account's, as far as there is such.
PARAMETERS = {
    "monitor_id": (str(ACCOUNT), str(REMOVED)),
    "incident_id": (str(ACCOUNT),),
    "slot": ("latest", "{slot}"),
    "location": ("fra",),
    "name": tuple(SHAPES),
    "form": ("json", "csv", "sql"),
    "list": (*LISTS, *OF_INCIDENT),
    "digest": ("0",),
    "name:path": ("pages.css",),
    "slug": (SLUG,),
    "channel_id": (str(ACCOUNT),),
    "schedule_id": (str(ACCOUNT),),
}
# Whatever a form may name by its identity, it names the planted account's. A text would be shown
# again where a form is refused.
FORM = dict.fromkeys(("id", "monitor", "page", "user", "incident", "channel"), str(ACCOUNT))
JSON: dict[str, Any] = {"url": "https://www.example.net/", "name": "taken over"}
BODIES: dict[str, dict[str, Any]] = {
    "/rule": {"consecutive": 2},
    "/dependencies": {"parents": [ACCOUNT]},
    "/channels": {"address": "taken@example.net", "monitor_ids": [ACCOUNT]},
    "/channels/{channel_id}": {"name": "taken over"},
    "/report-schedules": {"name": "taken", "recipients": [seed.EMAIL], "monitor_ids": [ACCOUNT]},
    "/report-schedules/{schedule_id}": {"name": "taken", "recipients": [seed.EMAIL]},
    "/status-pages/{slug}": {"title": "taken over", "monitor_ids": [ACCOUNT]},
}
PUBLIC = ("/status/",)


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    """Two people of two accounts, one of whom runs the installation; and the planted account."""
    with databases.migrated() as database:
        with psycopg.connect(database.url()) as connection:
            hashed = seed.HASHER.hash(seed.PASSWORD)
            connection.execute(seed.STATEMENTS["people"].encode(), {"password_hash": hashed})
        tenant.plant(database.url(), password_hash=hashed)
        with serving(database, tmp_path_factory.mktemp("walked-centre")) as started:
            yield started


@pytest.fixture
def centre(running_centre: Centre) -> Centre:
    """As it is: it has no results that could grow stale."""
    return running_centre


def routes() -> Iterator[tuple[str, str]]:
    """Every method and path, those of the API by its description."""
    # Takes a second, and all processes of a run collect this file.
    from dashboard.app import make

    for route in make(Settings(database="", secret=b"s" * 32)).routes:
        if isinstance(route, Mount):
            described: Any = route.app
            paths = described.openapi()["paths"]
            yield from ((m.upper(), route.path + path) for path in paths for m in paths[path])
            yield from (("GET", route.path + path) for path in ("/docs", "/openapi.json"))
        else:
            assert isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path


def addresses(centre: Centre, path: str) -> Iterator[str]:
    """The route's path with every choice of parameters."""
    [(slot,)] = centre.execute(
        "SELECT to_char(slot_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        " FROM vantage.results WHERE monitor_id = %(id)s LIMIT 1",
        id=ACCOUNT,
    )
    names = re.findall(r"\{(name:path|\w+)(?::\w+)?\}", path)
    assert set(names) <= set(PARAMETERS), f"{path}: say in PARAMETERS what to try"
    template = re.sub(r"\{(name:path|\w+)(?::\w+)?\}", "{}", path)
    for chosen in product(*(PARAMETERS[name] for name in names)):
        yield template.format(*(value.replace("{slot}", str(slot)) for value in chosen))


def walk(centre: Centre, visitor: Visitor, planted: Tenant) -> list[tuple[str, str, int]]:
    """The status of every answer; none showed or changed anything of the planted account."""
    with psycopg.connect(centre.database.url(), autocommit=True) as connection:
        before = planted.fingerprint(connection)
        seen = []
        form = {"csrf": visitor.form_token("/settings"), **FORM} if visitor.cookie else FORM
        for method, path in sorted(routes(), key=lambda each: each[1] == "/sign-out"):
            for address in addresses(centre, path):
                if method == "GET":
                    answer = visitor.ask(address)
                elif path.startswith("/api/"):
                    bodies = (body for end, body in BODIES.items() if path.endswith(end))
                    answer = visitor.ask(address, method, json=next(bodies, JSON))
                else:
                    answer = visitor.ask(address, method, form)
                if not address.startswith(PUBLIC):
                    assert MARK not in text_of(answer), f"{method} {address}"
                seen.append((method, path, answer.status))
            assert planted.fingerprint(connection) == before, f"{method} {path}"
    return seen


def text_of(answer: Answer) -> str:
    """What an answer says, its headers and what is in an archive included."""
    text = str(answer.headers) + answer.body.decode(errors="replace")
    if answer.body.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(answer.body))
        text += "".join(archive.read(name).decode() for name in archive.namelist())
    return text


@pytest.fixture
def planted(centre: Centre) -> Tenant:
    with psycopg.connect(centre.database.url()) as connection:
        return tenant.find(connection)


def test_no_route_shows_or_changes_another_account(
    centre: Centre, visitor: Visitor, other_visitor: Visitor, planted: Tenant
) -> None:
    for each in (visitor, other_visitor):
        for method, path, status in walk(centre, each, planted):
            if "{monitor_id" in path and not path.startswith(PUBLIC):
                # The API changes nothing for who came by a cookie.
                assert status == 404 or (path.startswith("/api/") and status == 403), (method, path)


def test_no_program_shows_or_changes_another_account(centre: Centre, planted: Tenant) -> None:
    centre.execute(
        "INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes)"
        " SELECT id, 'walk', sha256('walk'), 'w', '{read,write,run}' FROM vantage.users"
        " WHERE email = %(email)s",
        email=seed.OTHER_EMAIL,
    )
    program = Program(centre)
    for method, path, status in walk(centre, program, planted):
        if "{monitor_id" in path and path.startswith("/api/"):
            assert status == 404, (method, path)


class Program(Visitor):
    """Comes with a token."""

    def ask(self, *arguments: Any, **more: Any) -> Answer:
        return super().ask(*arguments, **more, Authorization="Bearer walk")


def test_no_route_shows_a_stranger_anything(
    centre: Centre, stranger: Visitor, planted: Tenant
) -> None:
    open_to_all = {
        path for method, path, status in walk(centre, stranger, planted)
        if method == "GET" and status == 200
    }  # fmt: skip
    assert open_to_all == {
        "/sign-in",
        "/register",
        "/reset",
        "/healthz",
        "/static/{digest}/{name:path}",
        "/status/{slug}",
        "/status/{slug}/days.{form}",
        "/status/{slug}/feed.atom",
        "/status/{slug}/{monitor_id:int}.svg",
        "/api/v1/openapi.json",
    }


@pytest.mark.parametrize("path", ["", "/series.json", "/heat.csv"])
def test_who_asks_while_the_owner_does_shares_nothing_with_them(
    centre: Centre, visitor: Visitor, path: str
) -> None:
    owner = Visitor(centre)
    owner.sign_in_and_on(email=tenant.EMAIL)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda each: each.ask(f"/m/{ACCOUNT}{path}"), [owner, visitor] * 6))
    assert [answer.status for answer in answers] == [200, 404] * 6
    assert [MARK in text_of(answer) for answer in answers[::2]] == [path == ""] * 6
    assert not any(MARK in text_of(answer) for answer in answers[1::2])


def test_the_walk_would_see_it(centre: Centre) -> None:
    """The account's own owner is shown the word, nearly everywhere."""
    owner = Visitor(centre)
    owner.sign_in_and_on(email=tenant.EMAIL)
    shown = set()
    for method, path in routes():
        if method == "GET" and not path.startswith(("/status", "/sign-out")):
            for address in addresses(centre, path):
                if MARK in text_of(owner.ask(address)):
                    shown.add(path)
    assert {
        "/",
        "/m/{monitor_id:int}",
        "/m/{monitor_id:int}/r/{slot}/{location}",
        "/settings/members",
        "/settings/audit",
        "/settings/data/everything.zip",
        "/api/v1/monitors/{monitor_id}/results",
    } <= shown
