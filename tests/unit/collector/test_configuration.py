"""Configuration files: what is wrong is told with its place, and what is meant is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config.configuration import read
from collector.config.monitors import Wanted
from collector.config.source import Mistake
from collector.errors import CollectorError
from collector.operator.duration import Duration, written


def mistakes(tmp_path: Path, text: str) -> str:
    file = tmp_path / "v.yaml"
    file.write_text(text)
    with pytest.raises(Mistake) as caught:
        read([file])
    return str(caught.value).replace(f"{tmp_path}/", "")


def monitor(tmp_path: Path, text: str) -> Wanted:
    (tmp_path / "v.yaml").write_text(text)
    [document] = read([tmp_path / "v.yaml"])
    wanted = document.entries[-1].wanted
    assert isinstance(wanted, Wanted)
    return wanted


A = "monitors:\n  a:\n    url: https://a.example/\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("monitors: [a", "this is not YAML: did not find expected ',' or ']'."),
        ("- a", "v.yaml:1:1: this is a list; expected a mapping with monitors, say."),
        ("monitor: {}", "v.yaml:1:1: a document has no 'monitor'; did you mean 'monitors'?"),
        ("alert_rules: {r: {needs: 2}}", "v.yaml:1:19: alert_rules.r: an alert rule has no 'nee"),
        ("monitors: {a: 3}", "v.yaml:1:15: monitors.a: '3'; expected a mapping that describes"),
        ("monitors: {a: }", "v.yaml:1:15: monitors.a: 'url' is missing"),
        (A + "    intervall: 3s", "v.yaml:4:5: monitors.a: a monitor has no 'intervall'; did you "
         "mean 'interval'?"),
        (A + "    interval: soon", "v.yaml:4:15: monitors.a.interval: 'soon' is not a duration, "
         "such as 500ms, 30s, 5m or 1h."),
        (A + "    interval: 0.5s", "v.yaml:4:15: monitors.a.interval: The interval is 0.5 s"),
        (A + "    interval: 5s\n    interval: 6s", "v.yaml:5:5: monitors.a: 'interval' is there "
         "already, in line 4."),
        (A + "    slow: 30s", "v.yaml:4:11: monitors.a.slow: The limit for slowness is 30 s"),
        (A + "    timeout: 2m", "v.yaml:4:14: monitors.a.timeout: The timeout is 120 s"),
        (A + "    page: perhaps", "v.yaml:4:11: monitors.a.page: 'perhaps' is not true or false."),
        (A + "    page: yes\n    method: POST", "v.yaml:4:11: monitors.a.page: A page is an http"),
        (A + "    method: BREW", "v.yaml:4:13: monitors.a.method: 'BREW' is not one of GET, HEAD"),
        (A + "    locations: fra", "v.yaml:4:16: monitors.a.locations: 'fra'; expected a list of"),
        (A + "    locations: [fra, Mars!]", "v.yaml:4:22: monitors.a.locations[1]: 'Mars!' is not"),
        (A + "    max_redirects: 51", "v.yaml:4:20: monitors.a.max_redirects: '51' is not a whole"),
        (A + "    headers: {A B: c}", "v.yaml:4:15: monitors.a.headers: 'A B' is not a header's"),
        (A + "    body: {fil: x}", "v.yaml:4:11: monitors.a.body: this is no reference; expected"),
        (A + "    body: {file: none}", "v.yaml:4:18: monitors.a.body.file: none cannot be read"),
        (A + "    client_key: hidden-pem", "v.yaml:4:17: monitors.a.client_key: a secret is not "
         "written into the file; expected {env: NAME}"),
        (A + "    authorization: {basic: {env: TEST_BAD_LOGIN}}",
         "v.yaml:4:28: monitors.a.authorization.basic: what stands there does not read user"),
        (A + "    authorization: {basic: {env: TEST_NOTHING}}", "environment has no TEST_NOTHING"),
        (A + "    assertions: [{kind: status}]", "v.yaml:4:18: monitors.a.assertions[0]: 'exp"),
        (A + "    assertions: [{kind: status, expected: 2xx}]", "'2xx' is no set of HTTP statuses"),
        (A + "    assertions: [{kind: limit, name: tea, at_most: 1s}]", "'tea' is not one of"),
        (A + "    assertions: [{kind: colour}]", "v.yaml:4:25: monitors.a.assertions[0].kind: "
         "'colour' is not one of status"),
        ("monitors:\n  a b: {url: 'https://a.example/'}", "v.yaml:2:3: monitors: 'a b' is not"),
        ("monitors: {a: {url: a.example}}", "v.yaml:1:21: monitors.a.url: The URL 'a.example'"),
        ("locations: {fra: {latitude: 50}}", "v.yaml:1:18: locations.fra: give both latitude and"),
        ("locations: {fra: {country: Germany}}", "'Germany' is not a country's two letters"),
        ("a: &a [*a]", "this contains itself."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, text: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_BAD_LOGIN", "hidden-login")
    told = mistakes(tmp_path, text)
    assert sentence in told
    assert "hidden" not in told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = mistakes(tmp_path, A + "    slow: x\n    page: x\n  b: {}\nmonitor: 3\n").splitlines()
    assert [line.split(" ")[0] for line in told] == [
        "v.yaml:4:11:", "v.yaml:5:11:", "v.yaml:6:6:", "v.yaml:7:1:"]  # fmt: skip


def test_aliases_of_aliases_are_refused_before_they_multiply(tmp_path: Path) -> None:
    lines = ["x-0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "more than 1,000,000 parts" in mistakes(tmp_path, "\n".join(lines))
    assert "nested too deeply" in mistakes(tmp_path, "x-a: " + "[" * 900 + "]" * 900)


def test_what_is_merged_gives_way_to_what_is_said(tmp_path: Path) -> None:
    wanted = monitor(
        tmp_path,
        "x-one: &one {interval: 5s, slow: 1s}\nx-two: &two {interval: 7s, timeout: 3s}\n"
        "monitors: {a: {<<: [*one, *two], slow: 2s, url: 'http://a.example'}}",
    )
    found = wanted.monitor
    assert (found.interval_s, found.slow_s, found.timeout_s) == (5, 2, 3)


def test_texts_are_read_as_they_are_written(tmp_path: Path) -> None:
    wanted = monitor(
        tmp_path,
        "monitors: {no: {url: 'http://a.example', name: 010, headers: {X: yes, Y: 1.10},"
        " http_version: 1.1, ip_version: 4}}",
    ).monitor
    assert wanted.name == "010"
    assert wanted.request.headers == (("X", "yes"), ("Y", "1.10"))
    assert (wanted.request.http_version, wanted.request.ip_version) == ("1.1", 4)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CollectorError, match="holds no file that ends in"):
        read([tmp_path])
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    with pytest.raises(CollectorError, match=r"a\.yaml cannot be read"):
        read([tmp_path])


@pytest.mark.parametrize(
    ("text", "shortest"),
    [("60s", "1m"), ("90s", "90s"), ("0.5", "500ms"), ("1.5s", "1500ms"), ("24h", "24h"),
     ("0.25ms", "0.25ms"), ("3600s", "1h"), ("1234.567ms", "1234.567ms"), ("0s", "0ms")],
)  # fmt: skip
def test_durations_are_written_as_they_are_read(text: str, shortest: str) -> None:
    seconds = Duration().convert(text, None, None)
    assert written(seconds) == shortest
    assert Duration().convert(shortest, None, None) == pytest.approx(seconds)
