"""A running report centre over three hours of results, and a client that is no browser."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from datetime import timedelta
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from selectolax.lexbor import LexborHTMLParser

from collector import sealing
from collector.keyring import Keyring
from tests.support import seed
from tests.support.database import Databases
from tests.support.report_centre import Centre, centre_of_all
from tests.support.sharing import run_folder


@pytest.fixture(scope="session")
def running_centre(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("report-centre")
    folder = run_folder(tmp_path_factory)
    with centre_of_all(databases, home, folder, length=timedelta(hours=3)) as started:
        yield started


@pytest.fixture
def centre(running_centre: Centre) -> Centre:
    running_centre.catch_up()
    return running_centre


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        # A stream has no end.
        is_stream = response.headers.get_content_type() == "text/event-stream"
        self.body = response.readline() if is_stream else response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


class Visitor:
    """Asks for pages, with the cookie it was given, over connections of its own."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.cookie = ""

    def ask(
        self,
        path: str,
        method: str = "GET",
        form: dict[str, str] | None = None,
        json: dict[str, object] | None = None,
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.centre.port, timeout=60)
        sent = {"Accept": "text/html", "Host": f"127.0.0.1:{self.centre.port}"}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            body = urlencode(form) if form is not None else None
            if json is not None:
                body, sent["Content-Type"] = dumps(json), "application/json"
            connection.request(method, path, body, headers=sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def form_token(self, path: str = "/sign-in") -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask(path).text)
        assert found
        return found[1]

    def sign_in(
        self,
        email: str = seed.EMAIL,
        password: str = seed.PASSWORD,
        path: str = "/sign-in",
        **headers: Any,
    ) -> Answer:
        form = {"email": email, "password": password, "csrf": self.form_token()}
        answer = self.ask(path, "POST", form, **headers)
        if given := answer.headers.get("set-cookie"):
            self.cookie = given.split(";")[0]
        return answer

    def sign_in_and_on(self, path: str = "/sign-in", **values: str) -> Answer:
        """Sign in and bring the cookie back; the answer says where that leads."""
        return self.ask(self.sign_in(path=path, **values).headers["location"])


def send(visitor: Visitor, path: str, page: str = "", **form: str) -> Answer:
    return visitor.ask(path, "POST", {"csrf": visitor.form_token(page or path), **form})


def page_form(text: str) -> dict[str, str]:
    """The fields of a page's first form, as a browser would send them."""
    form = LexborHTMLParser(text).css("form.stacked")[0]
    found = {}
    for field in form.css("input, select, textarea"):
        name, kind = field.attributes.get("name"), field.attributes.get("type")
        value = field.attributes.get("value") or ""
        if field.tag == "textarea":
            value = field.text()
        elif field.tag == "select":
            chosen = (field.css("option[selected]") or field.css("option"))[0]
            value = chosen.attributes.get("value", chosen.text()) or ""
        if name and (kind not in ("checkbox", "radio") or "checked" in field.attributes):
            found[name] = value
    return found


@pytest.fixture
def stranger(centre: Centre) -> Visitor:
    return Visitor(centre)


@pytest.fixture
def visitor(centre: Centre) -> Visitor:
    visitor = Visitor(centre)
    visitor.sign_in_and_on()
    return visitor


@pytest.fixture
def other_visitor(centre: Centre) -> Visitor:
    visitor = Visitor(centre)
    visitor.sign_in_and_on(email=seed.OTHER_EMAIL)
    return visitor


@pytest.fixture
def keyring(centre: Centre, tmp_path: Path) -> Iterator[Keyring]:
    """What whoever tells opens channels with."""
    keyring = Keyring(tmp_path / "secret.key")
    keyring.add()
    key_id, key = keyring.newest
    centre.execute(
        "INSERT INTO vantage.sealing_keys (key_id, public_key) VALUES (%(key_id)s, %(public_key)s)",
        key_id=key_id,
        public_key=sealing.private_key(key).public_key().public_bytes_raw(),
    )
    yield keyring
    centre.execute("DELETE FROM vantage.channels")
    centre.execute("DELETE FROM vantage.sealing_keys")
