"""The API: what programs read and change, what they are told, and that nothing else gets in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector import db
from collector.keyring import Keyring
from collector.secret import stored_secrets
from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support import seed
from tests.support.report_centre import Centre

ROOT = Path(__file__).parents[3]
TOKEN = "vantage_of_a_test"
A = "https://a.example/"


@pytest.fixture
def token(centre: Centre) -> Iterator[str]:
    """A token of the demo account that may do everything."""
    yield make_token(centre, TOKEN, "{read,write,run}")
    centre.execute("DELETE FROM vantage.api_tokens")


def make_token(centre: Centre, token: str, scopes: str, email: str = seed.EMAIL) -> str:
    centre.execute(
        "INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes)"
        " SELECT id, 'test', sha256(%(token)s::bytea), 'vantage_', %(scopes)s::text[]"
        " FROM vantage.users WHERE email = %(email)s",
        token=token, scopes=scopes, email=email,
    )  # fmt: skip
    return token


class Program:
    """Calls the API with a token."""

    def __init__(self, centre: Centre, token: str) -> None:
        self.visitor = Visitor(centre)
        self.token = token

    def call(self, path: str, method: str = "GET", **body: object) -> Answer:
        headers: dict[str, Any] = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
        }
        return self.visitor.ask(f"/api/v1{path}", method, json=body or None, **headers)

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.call(path)
        assert answer.status == status, answer.text
        return json.loads(answer.body)


@pytest.fixture
def program(centre: Centre, token: str) -> Program:
    return Program(centre, token)


def test_a_monitor_lives_and_ends(program: Program, centre: Centre) -> None:
    answer = program.call(
        "/monitors", "POST", url="https://api.example/", locations=["fra"], kind="page"
    )
    made = json.loads(answer.body)
    assert answer.status == 201
    assert answer.headers["location"] == f"/api/v1/monitors/{made['id']}"
    assert (made["name"], made["locations"], made["is_everywhere"]) == (
        "api.example", ["fra"], False)  # fmt: skip
    path = f"/monitors/{made['id']}"
    assert program.get(path) == made
    changed = json.loads(
        program.call(path, "PUT", url="https://api.example/2", interval_s=300, is_paused=True).body
    )
    assert (changed["name"], changed["interval_s"]) == ("api.example", 300)
    assert made["kind"] == changed["kind"] == "page"
    assert changed["is_everywhere"]
    assert changed["paused_at"]
    asked = program.call(f"{path}/run", "POST")
    assert asked.status == 202
    assert json.loads(program.call(f"{path}/run", "POST").body) == json.loads(asked.body)
    assert program.call(path, "DELETE").status == 204
    assert program.get(path, 404)["detail"] == "There is no such monitor in your account."
    centre.execute("DELETE FROM vantage.monitors WHERE id = %(id)s", id=made["id"])


def test_what_a_monitor_asks_and_expects_is_set_as_a_whole(
    program: Program, centre: Centre
) -> None:
    request = {"method": "POST", "body": "{}", "headers": [{"name": "X-Tenant", "value": "7"}]}
    expected = [{"kind": "limit", "name": "wait", "at_most": 300_000, "degrades": True}]
    answer = program.call(
        "/monitors", "POST", url="https://api.example/", request=request, assertions=expected
    )
    made = json.loads(answer.body)
    assert made["request"] | request == made["request"]
    assert (made["request"]["max_redirects"], made["secrets"]) == (10, [])
    assert made["assertions"] == [{"expected": None, "at_least": None, **expected[0]}]
    stored = "SELECT assertions, body FROM vantage.monitors WHERE id = %(id)s"
    assert centre.execute(stored, id=made["id"]) == [(expected, b"{}")]
    path = f"/monitors/{made['id']}"
    # What is left out stays; what was read can be written.
    same = json.loads(program.call(path, "PUT", url="https://api.example/").body)
    assert (same["request"], same["assertions"]) == (made["request"], made["assertions"])
    again = program.call(path, "PUT", url=made["url"], **{
        name: made[name] for name in ("request", "assertions")})  # fmt: skip
    assert json.loads(again.body)["request"] == made["request"]
    none = program.call(path, "PUT", url="https://api.example/", request={}, assertions=[])
    plain = json.loads(none.body)
    assert (plain["request"]["method"], plain["request"]["body"], plain["assertions"]) == (
        "GET", None, [])  # fmt: skip
    centre.execute("DELETE FROM vantage.monitors WHERE id = %(id)s", id=made["id"])


def test_terms_are_set_and_secrets_go_in_and_never_come_out(
    program: Program, centre: Centre, keyring: Keyring
) -> None:
    terms = {"proxy": "http://proxy.example:3128", "name_server": "192.0.2.53",
             "phase_timeouts": {"wait": 2_000_000}}  # fmt: skip
    secrets = {
        "authorization": {"basic": "ann:hidden"},
        "headers": {"X-Key": "hidden", "X-Other": "hidden"},
        "proxy_login": "pat:hidden",
    }
    answer = program.call("/monitors", "POST", url=A, terms=terms, secrets=secrets)
    assert (answer.status, "hidden" in answer.text) == (201, False), answer.text
    made = json.loads(answer.body)
    path = f"/monitors/{made['id']}"
    assert made["terms"]["name_server"] == "192.0.2.53:53"
    assert made["secrets"] == ["Authorization", "X-Key", "X-Other", "proxy password"]

    def stored() -> dict[str, str]:
        with db.session(centre.database.url()) as connection:
            return stored_secrets(connection, made["id"], keyring).by_name

    first = {"Authorization": "Basic YW5uOmhpZGRlbg==", "X-Key": "hidden", "X-Other": "hidden",
             "proxy password": "pat:hidden"}  # fmt: skip
    assert stored() == first
    # What is left out stays; what was read can be written; null removes.
    kept: list[dict[str, Any]] = [{}, {"terms": made["terms"]}, {"secrets": {}}]
    for same in kept:
        assert program.call(path, "PUT", url=A, **same).status == 200
        assert stored() == first
    changed = {"authorization": {"bearer": "new"}, "headers": {"X-Key": None}, "client_key": None}
    answer = program.call(path, "PUT", url=A, secrets=changed)
    assert json.loads(answer.body)["secrets"] == ["Authorization", "X-Other", "proxy password"]
    assert stored()["Authorization"] == "Bearer new"
    # Elsewhere they go only when all of them are given anew.
    moved = {**terms, "proxy": "http://other.example:3128"}
    some = {"proxy_login": "pat:new", "authorization": None}
    refused = program.call(path, "PUT", url=A, terms=moved, secrets=some)
    assert (refused.status, "(X-Other) do not go along" in refused.text) == (400, True)
    assert stored()["proxy password"] == "pat:hidden"
    every = {**some, "headers": {"X-Other": None}}
    assert program.call(path, "PUT", url=A, terms=moved, secrets=every).status == 200
    assert stored() == {"proxy password": "pat:new"}
    for values, status, detail in (
        ({"secrets": {"authorization": {"basic": "hidden"}}}, 400, "written user:password"),
        ({"secrets": {"authorization": {"basic": "a:b", "bearer": "hidden"}}}, 422, "or bearer"),
        ({"secrets": {"authorization": {"bearer": ["hidden"]}}}, 422, "authorization.bearer"),
        ({"secrets": {"headers": {"X Y": "hidden"}}}, 422, "secrets.headers"),
        ({"secrets": {"headers": {"X-Key": "hidden\r\nHost: a"}}}, 400, "cannot be sent"),
        ({"secrets": {"headers": {"X-Key": "hidden" * 1000}}}, 422, "headers.X-Key"),
        ({"secrets": {"client_key": "hidden"}}, 400, "no private key in PEM"),
        ({"secrets": {"password": "hidden"}}, 422, "Extra inputs"),
        ({"terms": {"phase_timeouts": {"tea": 5_000}}}, 422, "phase_timeouts"),
        ({"terms": {"proxy": "gopher://p:1"}}, 400, "scheme://host:port"),
        ({"terms": {"connect_to": ""}, "secrets": {"proxy_login": "a:b"}}, 400, "no proxy"),
    ):
        answer = program.call("/monitors", "POST", url=A, **values)
        assert (answer.status, detail in answer.text) == (status, True), (values, answer.text)
        assert "hidden" not in answer.text
    assert "hidden" not in centre.program.said()
    centre.execute("DELETE FROM vantage.monitors WHERE url = %(url)s", url=A)


def test_pages_follow_each_other(program: Program, centre: Centre) -> None:
    seen, after = [], "0"
    while after:
        page = program.get(f"/monitors?limit=4&after={after}")
        seen += [monitor["name"] for monitor in page["items"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 6
    path = f"/monitors/{centre.monitor('Home page')}/results?limit=70"
    slots, after = [], ""
    while after is not None:
        page = program.get(path + (f"&after={after}" if after else ""))
        slots += [(result["slot_at"], result["location"]) for result in page["items"]]
        after = page["next"]
    assert slots == sorted(set(slots), reverse=True)
    assert len(slots) > 700


def test_results_series_and_availability(program: Program, centre: Centre) -> None:
    path = f"/monitors/{centre.monitor('Home page')}"
    [result] = program.get(f"{path}/results?limit=1&location=fra")["items"]
    phases = ("redirect", "dns", "connect", "tls", "send", "wait", "receive")
    assert sum(result[f"{name}_us"] or 0 for name in phases) == result["total_us"]
    assert {row["location"] for row in program.get(f"{path}/series?points=10")} == {
        "fra", "gru", "iad", "sin", "syd"}  # fmt: skip
    rows = {row["location"]: row for row in program.get(f"{path}/availability")}
    assert list(rows) == ["fra", "gru", "iad", "sin", "syd", None]
    assert rows[None]["checks"] == sum(row["checks"] for name, row in rows.items() if name)
    assert 0.9 < rows["fra"]["share"] <= 1
    one = program.get(f"{path}/availability?location=sin")
    assert {row["location"] for row in one} == {"sin", None}
    assert program.get(f"{path}/results?from=2020-01-01T00:00Z&to=2020-01-02T00:00Z")["items"] == []


def test_locations(program: Program) -> None:
    assert [place["name"] for place in program.get("/locations")] == [
        "fra", "gru", "iad", "sin", "syd"]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/monitors/0", 422, "path.monitor_id: Input should be greater than or equal to 1"),
        ("/monitors?limit=501", 422, "query.limit"),
        ("/monitors/1/results?from=yesterday", 400, "“yesterday” is no date and time"),
        ("/monitors/1/results?from=2026-01-01&to=2026-03-01", 400, "up to 31 days"),
        ("/monitors/1/series?from=2020-01-01T00:00Z", 400, "up to 366 days"),
        ("/monitors/1/results?after=nonsense", 400, "must be the `next`"),
        ("/monitors/1/results?location=A", 422, "query.location.0"),
        ("/nothing", 404, "There is no such resource."),
        ("/monitors/2147483647", 404, "no such monitor"),
    ],
)
def test_problems_are_told_as_problem_details(
    program: Program, path: str, status: int, detail: str
) -> None:
    answer = program.call(path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"], problem["type"]) == (status, status, "about:blank")
    assert detail in problem["detail"]


def test_what_cannot_be_watched_is_told(program: Program) -> None:
    for body, status, detail in (
        ({"url": "gopher://a.example/"}, 400, "do not speak its scheme"),
        ({"url": "https://a.example/", "slow_us": 20_000_000}, 400, "limit for slowness"),
        ({"url": "https://a.example/", "locations": ["mars"]}, 400, "no location “mars”"),
        ({"url": "https://a.example/", "shade": 1}, 422, "Extra inputs are not permitted"),
        ({"url": "https://a.example/", "name": "a\0b"}, 422, "body.name"),
        ({"url": "https://a.example/\0"}, 422, "body.url"),
        ({"url": A, "request": {"method": "BREW"}}, 422, "body.request.method"),
        ({"url": A, "request": {"body": "\0"}}, 422, "body.request.body"),
        ({"url": A, "request": {"is_paired": True, "ip_version": 4}}, 422, "leave out ip_version"),
        ({"url": A, "request": {"headers": [{"name": "Te", "value": ""}]}}, 400, "cannot be set"),
        ({"url": A, "assertions": [{"kind": "status"}]}, 400, "needs “expected”"),
        ({"url": A, "assertions": [{"kind": "size", "name": "a"}]}, 400, "has no “name”"),
        ({"url": A, "assertions": [{"kind": "loss", "at_most": 1}]}, 400, "no sense for https"),
        ({"url": A, "assertions": [{"kind": "body_matches", "expected": "("}]}, 400, "RE2"),
    ):
        answer = program.call("/monitors", "POST", **body)
        assert (answer.status, detail in answer.text) == (status, True), answer.text


def test_scopes_and_roles_bind(centre: Centre, token: str) -> None:
    reading = Program(centre, make_token(centre, "vantage_reading", "{read}"))
    assert reading.call("/monitors").status == 200
    for path, method in (("/monitors", "POST"), ("/monitors/1/run", "POST"),
                         ("/monitors/1", "DELETE")):  # fmt: skip
        answer = reading.call(path, method, url="https://x.example/")
        assert answer.status == 403
        assert "lacks the scope" in answer.text
    writing = Program(
        centre, make_token(centre, "vantage_viewer", "{read,write}", seed.OTHER_EMAIL)
    )
    role = "UPDATE vantage.users SET role = %(role)s WHERE email = 'other@example.com'"
    centre.execute(role, role="viewer")
    try:
        answer = writing.call("/monitors", "POST", url="https://x.example/")
    finally:
        centre.execute(role, role="owner")
    assert answer.status == 403
    assert "takes the role of editor" in answer.text


def test_a_browsers_session_reads_and_changes_nothing(visitor: Visitor) -> None:
    assert visitor.ask("/api/v1/monitors").status == 200
    assert visitor.ask("/api/v1/monitors/1", "DELETE").status == 403
    text = visitor.ask("/api/v1/docs").text.replace("<wbr>", "")
    assert "/api/v1/monitors/{monitor_id}/availability" in text
    # Each operation tells the fields of its own body.
    told = text.partition("/post-mortem</span>")[2].partition("</article>")[0]
    assert re.findall(r'scope="row" class="mono">(\w+)<', told) == ["incident_id", "text"]
    assert not re.search(r'(src|href)="https?:', text)
    # An incident list's first page needs no number: none is made up for it.
    assert str(2**63 - 1) not in text


def test_strangers_are_told_how_to_sign_in(stranger: Visitor) -> None:
    answer = stranger.ask("/api/v1/monitors", Accept="*/*")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert stranger.ask("/api/v1/openapi.json").status == 200


def test_other_accounts_monitors_are_not_there(program: Program, centre: Centre) -> None:
    other = centre.monitor("Not yours")
    for path, method in (("", "GET"), ("", "DELETE"), ("/run", "POST"), ("/results", "GET"),
                         ("/series", "GET"), ("/availability", "GET"), ("", "PUT")):  # fmt: skip
        answer = program.call(f"/monitors/{other}{path}", method, url="https://x.example/")
        assert answer.status == 404, path


def test_a_wrong_method_is_told_the_right_ones(program: Program) -> None:
    answer = program.call("/monitors/1", "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, PUT")


# Each makes fewer requests than one person may in a minute.
FUZZED = {
    "coverage-put": ("--phases=coverage", "--include-method=PUT"),
    "coverage-rest": ("--phases=coverage", "--exclude-method=PUT"),
    "fuzzing": ("--phases=fuzzing",),
}


@pytest.mark.parametrize("part", FUZZED)
def test_schemathesis_finds_nothing(centre: Centre, part: str) -> None:
    """Requests made after the API's own description, good and bad, on an account of its own, by a
    person of its own: what is refused as too much is not tested."""
    email = f"{part}@example.com"
    centre.execute(
        "WITH fuzzed AS (INSERT INTO vantage.accounts (name) VALUES (%(email)s) RETURNING id),"
        " watched AS (INSERT INTO vantage.monitors (account_id, name, url)"
        " SELECT id, 'x', 'https://x.example/' FROM fuzzed)"
        " INSERT INTO vantage.users (account_id, email, name)"
        " SELECT id, %(email)s, 'Fuzz' FROM fuzzed",
        email=email,
    )
    token = make_token(centre, f"vantage_{part}", "{read,write,run}", email)
    done = subprocess.run(
        [
            f"{sys.prefix}/bin/schemathesis", "--config-file", "/dev/null", "run",
            f"{centre.address}/api/v1/openapi.json",
            f"--header=Authorization: Bearer {token}",
            # Examples bound it. How long one takes says more about the machine's other work: the
            # limits of time are for what never ends. Stateful, so few follow none of the links.
            *FUZZED[part], "--max-examples=4", "--seed=1", "--no-color",
            "--request-timeout=120",
            # Which schemes and locations there are, and that slow is less than the timeout, no
            # schema can say. It tries more wrong tokens than an address may: test_tenants.py asks
            # every operation as a stranger.
            "--exclude-checks=positive_data_acceptance,ignored_auth", "--max-failures=5",
        ],
        # It is no program of ours, and needs what they are to do without.
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    said = centre.program.said()
    assert "Traceback" not in said
    answers = [json.loads(line) for line in said.splitlines() if '"request_answered"' in line]
    assert 429 not in {answer["status"] for answer in answers}


@pytest.mark.parametrize("number", range(9))
@pytest.mark.usefixtures("keyring")
def test_the_examples_of_the_documentation_work(centre: Centre, token: str, number: int) -> None:
    document = (ROOT / "docs" / "api.md").read_text()
    examples = re.findall(r"^```sh\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    assert len(examples) == 9
    said = subprocess.run(
        ["bash", "-ec", examples[number]],
        env={"PATH": os.environ["PATH"], "CENTRE": centre.address, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
    )
    centre.execute("DELETE FROM vantage.monitors WHERE url = 'https://shop.example.com/health'")
    assert said.returncode == 0, said.stderr
    centre.execute("DELETE FROM vantage.alert_rules WHERE account_id IS NOT NULL")
    expected = (
        "Frankfurt", '"share"', '"wait_us"', '"interval_s":30', "requested_at",
        '"json_equals"', '"secrets":["Authorization","X-Api-Key"]', '"source":"monitor"', "no such",
    )  # fmt: skip
    assert expected[number] in said.stdout
    if "after=" in examples[number]:
        pages = [json.loads(line) for line in said.stdout.splitlines()]
        assert len(pages) > 1
        assert pages[-1]["next"] is None
