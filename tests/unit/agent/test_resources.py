from __future__ import annotations

import subprocess
import sys
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.resources import RESOURCES_MAX, chosen_of, of_css, of_html

AT = "https://shop.example/dir/page"


def found(html: str) -> list[tuple[str, str]]:
    return [(each.kind.value, each.url) for each in of_html(html.encode(), AT)]


PAGE = """<!doctype html><base href="/base/">
<link rel="stylesheet" href="a.css"><link rel="alternate stylesheet" href="no.css">
<link rel="icon" href="//cdn.example/icon.png#x"><link rel="canonical" href="no">
<link rel="preload" as="font" href="f.woff2"><link rel="preload" as="fetch" href="no">
<link rel=modulepreload href=m.js>
<style>@import "b.css"; p { background: url('p.png') }</style>
<script src="s.js"></script><script src=no nomodule></script>
<script type="application/json" src=no></script><script>var url = "no"</script>
<body style="background:url(body.png)">
<img src="one.png"><img src=one.png><img src="no" loading=lazy><img src="data:image/png;base64,AA">
<img srcset="two-1x.png, two-2x.png 2x" src=no>
<picture><source srcset="three.avif"><source srcset="no"><img src=no></picture>
<picture><img src=four.png></picture><picture><source srcset=no><img loading=lazy></picture>
<!-- <img src=no> --><template><img src=no></template><textarea><img src=no></textarea>
<noscript><img src=no></noscript>
<input type=image src="five me.png"><video poster=six.png src=no></video><iframe src=no></iframe>
<a href=no>no</a><img src="ftp://no/"><img src="javascript:no"><img><img src="#no">"""


def test_a_page_asks_for_what_a_browser_would_and_in_its_order() -> None:
    base = "https://shop.example/base/"
    assert found(PAGE) == [
        ("stylesheet", base + "a.css"),
        ("image", "https://cdn.example/icon.png"),
        ("font", base + "f.woff2"),
        ("script", base + "m.js"),
        ("stylesheet", base + "b.css"),
        ("image", base + "p.png"),
        ("script", base + "s.js"),
        ("image", base + "body.png"),
        ("image", base + "one.png"),
        ("image", base + "two-1x.png"),
        ("image", base + "three.avif"),
        ("image", base + "four.png"),
        ("image", base + "five%20me.png"),
        ("image", base + "six.png"),
    ]


def test_a_base_that_is_no_address_is_none() -> None:
    page = "<base href='http://['><img src=a.png>"
    assert found(page) == [("image", "https://shop.example/dir/a.png")]


SHEET = """/* url(no) */ @import url("one.css") screen; @import 'two.css';
@font-face { font-family: A; src: url(a.woff2) format("woff2"), url(a.woff) }
@media print { b { background: URL( "b.png" ) } } i { background: url(data:no), url(#no) }"""


def test_a_style_sheet_asks_for_imports_one_file_of_a_font_and_images() -> None:
    resources = of_css(SHEET, "https://shop.example/css/a.css")
    assert [(each.kind.value, each.url.rpartition("/css/")[2]) for each in resources] == [
        ("stylesheet", "one.css"),
        ("stylesheet", "two.css"),
        ("font", "a.woff2"),
        ("image", "b.png"),
    ]


@pytest.mark.parametrize(
    ("srcset", "chosen"),
    [
        ("a.png 2x, b.png", "b.png"),
        ("a.png 1.5x, b.png 3x", "a.png"),
        ("s.png 320w, m.png 1280w, l.png 2560w", "m.png"),
        ("s.png 320w, m.png 640w", "m.png"),
        ("  a,b.png 1x ,", "a,b.png"),
        ("", ""),
        (" , ", ""),
        ("a.png, b.png", "a.png"),
        ("a.png 1.2.3x, b.png .5x", "b.png"),
        ("a.png .w", ""),
        ("a.png wide, b.png 1x 2x, c.png", "c.png"),
    ],
)
def test_one_candidate_of_a_srcset_is_chosen(srcset: str, chosen: str) -> None:
    assert chosen_of(srcset) == chosen


@given(st.binary(max_size=300))
def test_any_bytes_are_a_page(text: bytes) -> None:
    of_html(b"<style>" + text, AT)
    of_html(text, AT)


@given(st.text(max_size=300))
def test_any_text_is_a_style_sheet_and_a_srcset(text: str) -> None:
    of_css(text, AT)
    of_css(f"@import {text} url({text}) @font-face{{{text}", AT)
    chosen_of(text)


# What a repetition could be had to try in as many ways as it is long, or more.
HOSTILE = """
from pathlib import Path
from agent.resources import RESOURCES_MAX, chosen_of, of_css, of_html
n, at = 200_000, "http://shop.example/"
formatted = b"".join(b"<b id=%d>" % number for number in range(400))
imgs = b"".join(b"<img src=%d>" % number for number in range(40_000))
named = b" ".join(b"a%d" % number for number in range(20_000))
for html in (b"<p>" + formatted + b"<p>x" * 4_000, b"<div " + named + b">", b"<div>" * 30_000,
             b"<picture>" + b"<source>" * 30_000, b"<picture>" + b"<img>" * 30_000,
             b"<img src='" + b"&#1" * n, b"<img src='&#" + b"1" * n + b"'>",
             b"<base href=/" + b"a/" * n + b">" + imgs,
             b"<base href=/" + b"a/" * 999 + b">" + imgs):
    of_html(html, at)
most_kb = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
assert most_kb < 200 * 1024, most_kb
for srcset in ("a" * n + " b", "a" + "," * n + " ", "a" + " " * n + "b c", "1" * n + "w"):
    chosen_of(srcset)
for text in ("url(", "@import", "@import url(", "@font-face"):
    of_css(text + " " * n, at)
for text in ("url(", "url('", 'url("', "@import '", "@font-face{", "/*", "/*/"):
    of_css(text * (n // 4), at)
"""


def test_of_too_many_resources_one_more_than_are_fetched_is_told() -> None:
    images = "".join(f"<img src=data:{number}><img src={number}>" for number in range(3_000))
    found = of_html(images.encode(), AT)
    assert [each.url for each in found] == [urljoin(AT, f"{at}") for at in range(RESOURCES_MAX + 1)]


def test_a_base_longer_than_any_address_is_none() -> None:
    long = f"<base href=/{'a' * 2_100}/><img src=b.png>"
    assert [each.url for each in of_html(long.encode(), AT)] == [urljoin(AT, "b.png")]


def test_no_text_takes_long_to_read_or_much_memory() -> None:
    subprocess.run([sys.executable, "-c", HOSTILE], check=True, timeout=120)
