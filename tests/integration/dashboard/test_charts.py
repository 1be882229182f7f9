"""What a monitor's charts are drawn from, in every form in which it can be had."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import psycopg
import pytest
from pyarrow import parquet

from dashboard.table import MEDIA_TYPES
from tests.integration.dashboard.conftest import Visitor
from tests.support.report_centre import Centre

PHASES = ("redirect", "dns", "connect", "tls", "wait", "receive")


@pytest.mark.parametrize(("asked", "charts"), [("", 5), ("&loc=fra", 1), ("&compare=total", 1)])
def test_the_charts_as_a_picture(visitor: Visitor, centre: Centre, asked: str, charts: int) -> None:
    monitor_id = centre.monitor("Checkout · cart page")
    page = visitor.ask(f"/m/{monitor_id}?range=1h{asked}").text
    found = re.search(r'<noscript><img class="picture" src="([^"]+)" alt="([^"]+)">', page)
    assert found
    assert re.search(r"Frankfurt median \d+\sms, p95 \d+\sms, 0 of \d+ checks failed", found[2])
    picture = visitor.ask(html.unescape(found[1]))
    assert picture.headers["content-type"] == "image/svg+xml"
    drawn = ElementTree.fromstring(picture.text)
    assert len(drawn.findall(".//*[@class='title']")) == charts
    outlines = drawn.findall(".//{*}path[@class='line']" if "compare" in asked else ".//*[@fill]")
    assert len(outlines) >= 5
    assert "--wait: #0584cf" in picture.text


def test_the_picture_says_which_phases_there_are_and_where_slowness_begins(
    visitor: Visitor, centre: Centre
) -> None:
    wanted = {
        "Sign-in API": ("DNS lookup", "TLS handshake", 5),
        "Old shop, redirected": ("Redirects", "DNS lookup", 0),
    }
    for name, (first, second, limits) in wanted.items():
        path = f"/m/{centre.monitor(name)}"
        drawn = ElementTree.fromstring(visitor.ask(f"{path}/series.svg?range=1h").text)
        said = ["".join(each.itertext()) for each in drawn.iterfind(".//{*}li")]
        assert said[0] == first
        assert second in said
        assert ("Redirects" in said) == (name == "Old shop, redirected")
        assert "Resources of the page" not in said
        assert len(drawn.findall(".//{*}path[@class='limit']")) == limits
    compared = ElementTree.fromstring(visitor.ask(f"{path}/series.svg?compare=total").text)
    assert not compared.findall(".//{*}li")


def test_data_are_compressed_for_who_reads_that(visitor: Visitor, centre: Centre) -> None:
    now = datetime.now(UTC)
    span = f"from={now - timedelta(minutes=50):%Y-%m-%dT%H:%MZ}&to={now:%Y-%m-%dT%H:%MZ}"
    path = f"/m/{centre.monitor('Sign-in API')}/series.json?{span}"
    packed, plain = visitor.ask(path, Accept_Encoding="gzip"), visitor.ask(path)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert len(packed.body) < len(plain.body) / 2
    assert json.loads(gzip.decompress(packed.body))["times"] == json.loads(plain.body)["times"]


def test_of_what_is_long_ago_hours_are_left(visitor: Visitor, centre: Centre) -> None:
    """A day of which only the sums are kept: its chart and all that it can be had as."""
    monitor_id = centre.monitor("Checkout · cart page")
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=70)
    span = f"?from={day:%Y-%m-%dT%H:%MZ}&to={day + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
    (column_list,) = centre.execute(
        "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attnum > 1 AND NOT attisdropped"
        " AND attrelid = 'vantage.rollups_1h'::regclass"
    )[0]
    centre.execute(
        f"INSERT INTO vantage.rollups_1h (bucket_at, {column_list})"
        f" SELECT %(day)s + INTERVAL '5 hours', {column_list} FROM vantage.rollups_1h"
        " WHERE monitor_id = %(id)s AND location = 'fra' AND timed > 0"
        " ORDER BY bucket_at DESC LIMIT 1",
        day=day,
        id=monitor_id,
    )
    try:
        series = json.loads(visitor.ask(f"/m/{monitor_id}/series.json{span}&loc=fra").text)
        assert (series["bucket_s"], len(series["times"])) == (3600, 24)
        assert [at for at, total in enumerate(series["locations"][0]["total_us"]) if total] == [5]
        (row,) = csv.DictReader(io.StringIO(visitor.ask(f"/m/{monitor_id}/series.csv{span}").text))
        assert row["bucket_at"] == str(day + timedelta(hours=5))
        assert "results_1h" in visitor.ask(f"/m/{monitor_id}/series.sql{span}").text
        # Part of a day: the hours that hold it.
        part = f"?from={day:%Y-%m-%dT}05:10Z&to={day:%Y-%m-%dT}06:40Z"
        series = json.loads(visitor.ask(f"/m/{monitor_id}/series.json{part}&loc=fra").text)
        hours = [(day + timedelta(hours=hour)).timestamp() for hour in (5, 6, 7)]
        assert [*series["times"], series["to_s"]] == hours
        assert [bool(total) for total in series["locations"][0]["total_us"]] == [True, False]
        text = visitor.ask(f"/m/{monitor_id}{part}").text
        assert "The results of then are not kept any more" in text
        assert re.search(r"\d+ of \d+ checks? passed", text)
        (row,) = csv.DictReader(io.StringIO(visitor.ask(f"/m/{monitor_id}/heat.csv{part}").text))
        assert row["bucket_at"] == str(day + timedelta(hours=5))
        # An hour and a half of it by the API: the same hours, the last of which counts whole.
        api, until = f"/api/v1/monitors/{monitor_id}", part.replace("06:40", "06:00")
        (at, together) = json.loads(visitor.ask(f"{api}/availability{until}").text)
        assert at["location"] == "fra"
        assert at["checks"] == together["checks"] > 0
        assert at["median_us"] > 0
        (bucket,) = json.loads(visitor.ask(f"{api}/series{part}").text)
        assert bucket["checks"] == at["checks"]
    finally:
        centre.execute(
            "DELETE FROM vantage.rollups_1h WHERE bucket_at < %(day)s + '1 day'", day=day
        )


def test_a_series_sums_up(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Old shop, redirected")
    series = json.loads(visitor.ask(f"/m/{monitor_id}/series.json?range=1h&points=60").body)
    assert [place["location"] for place in series["locations"]] == [
        "iad", "fra", "gru", "sin", "syd"
    ]  # fmt: skip
    assert series["bucket_s"] == 60
    totals = 0
    for place in series["locations"]:
        for at, total in enumerate(place["total_us"]):
            if total is not None:
                totals += 1
                assert total == sum(place[f"{phase}_us"][at] or 0 for phase in PHASES)
    assert totals > 200


@pytest.mark.parametrize("points", [10, 17, 60])
def test_the_first_bucket_is_whole(visitor: Visitor, centre: Centre, points: int) -> None:
    monitor_id = centre.monitor("Product pictures")
    answer = visitor.ask(f"/m/{monitor_id}/series.json?range=1h&points={points}")
    places = json.loads(answer.body)["locations"]
    assert places
    for place in places:
        assert 0 not in place["checks"], place["location"]


def test_data_comes_as_csv_too(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    answer = visitor.ask(f"/m/{monitor_id}/series.csv?range=1h&loc=sin")
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert len(rows) > 30
    assert {row["location"] for row in rows} == {"sin"}
    assert int(rows[0]["total_us"]) > 0
    assert "attachment" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "hours"), [("series", 1), ("heat", 1), ("bands", 1), ("series", 25), ("results", 1)]
)
def test_the_sql_that_made_the_data_makes_it(
    visitor: Visitor, centre: Centre, name: str, hours: int
) -> None:
    monitor_id = centre.monitor("Product pictures")
    to_at = datetime.now(UTC) - timedelta(minutes=5)
    from_at = to_at - timedelta(hours=hours)
    span = f"from={from_at:%Y-%m-%dT%H:%M:%SZ}&to={to_at:%Y-%m-%dT%H:%M:%SZ}"
    rows = list(csv.DictReader(visitor.ask(f"/m/{monitor_id}/{name}.csv?{span}").text.splitlines()))
    statement = visitor.ask(f"/m/{monitor_id}/{name}.sql?{span}").text
    with psycopg.connect(centre.database.url(role="vantage_reader")) as connection:
        again = connection.execute(statement.encode()).fetchall()
    assert len(again) == len(rows) > 10


def test_bands_of_hours_are_those_of_their_results(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    to_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def bands(hours: int, points: int) -> list[dict[str, int]]:
        span = f"from={to_at - timedelta(hours=hours):%FT%TZ}&to={to_at:%FT%TZ}&points={points}"
        rows = json.loads(visitor.ask(f"/m/{monitor_id}/bands.json?{span}").body)
        return [row for row in rows if row["bucket_at"] >= f"{to_at - timedelta(hours=1):%FT%T}"]

    (kept,) = bands(24, 24)
    fresh = bands(1, 60)
    assert len(fresh) > 50
    assert sum(row["checks"] for row in fresh) == kept["checks"] > 250
    for name in ("p50_us", "p75_us", "p95_us", "p99_us"):
        values = [row[name] for row in fresh]
        assert min(values) * 0.95 <= kept[name] <= max(values) * 1.05
    text = visitor.ask(f"/m/{monitor_id}").text
    assert len(re.findall(r'class="band p\d\d" d="M', text)) == 4


def test_a_charts_numbers_as_parquet(visitor: Visitor, centre: Centre) -> None:
    path = f"/m/{centre.monitor('Home page')}"
    answer = visitor.ask(f"{path}/series.parquet?range=1h")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = parquet.read_table(io.BytesIO(answer.body))
    lines = visitor.ask(f"{path}/series.csv?range=1h").text.strip().splitlines()
    assert ",".join(table.column_names) == lines[0]
    assert abs(table.num_rows - len(lines) + 1) <= 5
    empty = visitor.ask(f"{path}/heat.parquet?from=2020-01-01T00:00Z&to=2020-01-02T00:00Z")
    assert parquet.read_table(io.BytesIO(empty.body)).num_rows == 0


@pytest.mark.parametrize("name", ["series", "heat", "bands"])
def test_a_week_comes_from_hours_in_every_form(visitor: Visitor, centre: Centre, name: str) -> None:
    path = f"/m/{centre.monitor('Checkout · cart page')}"
    assert visitor.ask(f"{path}?range=7d").status == 200
    assert "vantage.results_1h" in visitor.ask(f"{path}/{name}.sql?range=7d").text
    lines = visitor.ask(f"{path}/{name}.csv?range=7d").text.splitlines()
    table = visitor.ask(f"{path}/{name}.parquet?range=7d")
    assert parquet.read_table(io.BytesIO(table.body)).num_rows == len(lines) - 1
    shown = json.loads(visitor.ask(f"{path}/{name}.json?range=7d").body)
    if name == "series":
        for place in shown["locations"]:
            assert any(place["total_us"])
            assert set(place["slot_us"]) == {None}


def test_tables_come_as_data_too(visitor: Visitor, centre: Centre) -> None:
    """The page's links to them, every form, and the page's own numbers."""
    path = f"/m/{centre.monitor('Home page')}"
    now = datetime.now(UTC)
    span = f"?from={now - timedelta(hours=2):%FT%TZ}&to={now - timedelta(hours=1):%FT%TZ}"
    page = html.unescape(visitor.ask(f"{path}{span}&loc=fra,sin").text)
    links = re.findall(r'href="(/m/\d+/(\w+)\.(\w+)\?[^"]*)"', page)
    of_tables = {
        (name, form): address for address, name, form in links if name in ("locations", "results")
    }
    assert set(of_tables) == {
        *(("locations", form) for form in MEDIA_TYPES),
        *(("results", form) for form in (*MEDIA_TYPES, "sql")),
    }

    places = json.loads(visitor.ask(of_tables["locations", "json"]).body)
    assert [place["location"] for place in places] == ["iad", "fra", "gru", "sin", "syd"]
    results = json.loads(visitor.ask(of_tables["results", "json"]).body)
    assert {result["location"] for result in results} == {"fra", "sin"}
    for place in (places[1], places[3]):
        own = [result for result in results if result["location"] == place["location"]]
        assert place["checks"] == len(own) > 50
        assert place["passed"] == sum(result["outcome"] != "down" for result in own)
    assert results == sorted(results, key=lambda row: (row["slot_at"], row["location"]))[::-1]
    for result in results:
        assert result["total_us"] == sum(result[f"{phase}_us"] or 0 for phase in (*PHASES, "send"))

    for name, rows in (("locations", places), ("results", results)):
        lines = csv.DictReader(io.StringIO(visitor.ask(of_tables[name, "csv"]).text))
        assert [line["location"] for line in lines] == [row["location"] for row in rows]
        table = parquet.read_table(io.BytesIO(visitor.ask(of_tables[name, "parquet"]).body))
        assert table.column("location").to_pylist() == [row["location"] for row in rows]
    assert visitor.ask(f"{path}/locations.sql").status == 404


def test_a_results_requests_can_be_taken_along(
    visitor: Visitor, stranger: Visitor, other_visitor: Visitor, centre: Centre
) -> None:
    monitor_id = centre.monitor("Old shop, redirected")
    found = re.search(rf"/m/{monitor_id}/r/[^\"]+/fra", visitor.ask(f"/m/{monitor_id}").text)
    assert found
    path = f"{found[0]}/requests"
    links = re.findall(r'href="(/m/[^"]+/requests\.\w+)"', visitor.ask(found[0]).text)
    assert links == [f"{path}.{form}" for form in (*MEDIA_TYPES, "sql")]
    rows = json.loads(visitor.ask(f"{path}.json").text)
    assert [(row["role"], row["hop"]) for row in rows] == [("hop", 1), ("hop", 2), ("last", 3)]
    ends = [row["start_us"] + row["total_us"] for row in rows]
    assert [row["start_us"] for row in rows] == [0, *ends[:-1]]
    for row in rows:
        assert row["total_us"] == sum(row[f"{phase}_us"] or 0 for phase in (*PHASES[1:], "send"))
    lines = list(csv.DictReader(io.StringIO(visitor.ask(f"{path}.csv").text)))
    file = parquet.read_table(io.BytesIO(visitor.ask(f"{path}.parquet").body))
    assert file.column_names == list(lines[0]) == list(rows[0])
    assert [line["url"] for line in lines] == [row["url"] for row in rows]
    statement = visitor.ask(f"{path}.sql").text
    assert [row[3] for row in centre.execute(statement.replace("%", "%%"))] == [
        row["url"] for row in rows
    ]
    assert stranger.ask(f"{path}.csv").status == 303
    for wrong in (f"{path}.svg", f"{path.replace('/fra/', '/nowhere/')}.csv"):
        assert visitor.ask(wrong).status == 404
    assert other_visitor.ask(f"{path}.csv").status == 404


def test_what_is_usual_and_certificates_come_as_data_too(
    visitor: Visitor, other_visitor: Visitor, centre: Centre
) -> None:
    monitor_id = centre.monitor("Home page")
    centre.execute(
        """
        WITH certificate AS (
            INSERT INTO vantage.certificates (sha256, subject, issuer, names, der)
            VALUES (sha256('shop'), '=CN', 'CN=CA', '{a.example.com,b.example.com}', 'shop')
        ),
        sighting AS (
            INSERT INTO vantage.certificate_sightings (monitor_id, location, chain, first_seen_at,
                last_seen_at)
            VALUES (%(id)s, 'fra', ARRAY[sha256('shop')], now() - INTERVAL '1 day', now())
        )
        INSERT INTO vantage.baselines (hour_at, monitor_id, location, phase, weeks, results,
            usual_us, spread_us)
        SELECT date_bin('1 hour', now(), 'epoch') + ahead * INTERVAL '1 hour', %(id)s, 'fra',
            phase, 6, 360, 1000, 100
        FROM unnest(ARRAY['total', 'tls']) AS phase CROSS JOIN generate_series(0, 1) AS ahead
        """,
        id=monitor_id,
    )
    wanted = {"usual": (*MEDIA_TYPES, "sql"), "certificates": tuple(MEDIA_TYPES)}
    try:
        page = html.unescape(visitor.ask(f"/m/{monitor_id}").text)
        for name, forms in wanted.items():
            links = re.findall(rf'href="(/m/\d+/{name}\.(\w+)[^"]*)"', page)
            assert tuple(form for _, form in links) == forms
            answers = {form: visitor.ask(address) for address, form in links}
            rows = json.loads(answers["json"].text)
            lines = list(csv.DictReader(io.StringIO(answers["csv"].text)))
            file = parquet.read_table(io.BytesIO(answers["parquet"].body))
            assert file.column_names == list(lines[0]) == list(rows[0])
            assert len(lines) == len(rows) == file.num_rows
            assert other_visitor.ask(links[0][0]).status == 404
            if name == "usual":
                assert {(row["location"], row["usual_us"]) for row in rows} == {("fra", 1000)}
                assert "vantage.baselines" in answers["sql"].text
                assert len(centre.execute(answers["sql"].text.replace("%", "%%"))) == len(rows) == 2
            else:
                assert lines[0]["subject"] == "'=CN"
                assert lines[0]["names"] == "a.example.com, b.example.com"
                [link] = json.loads(file.column("chain").to_pylist()[0])
                assert json.loads(lines[0]["chain"]) == link == rows[0]["chain"][0]
    finally:
        for table in ("baselines", "certificate_sightings", "certificates"):
            centre.execute(f"DELETE FROM vantage.{table}")
