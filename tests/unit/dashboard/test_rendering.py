from __future__ import annotations

from jinja2 import meta

from dashboard.rendering import ENVIRONMENT, FIRST, piece


def test_a_piece_that_was_written_before_is_of_the_same_values() -> None:
    """Pages keep their pieces, so that none may ever stand for other values."""
    first = piece("spot", "up", "<b>Berlin</b> & 'Köln'", 123_456)
    assert first is piece("spot", "up", "<b>Berlin</b> & 'Köln'", 123_456)
    assert "&lt;b&gt;Berlin&lt;/b&gt; &amp; &#39;Köln&#39;</span>" in first
    assert first.endswith('<span class="num">123\N{NO-BREAK SPACE}ms</span></li>')
    for state, title, median_us in (
        ("down", "<b>Berlin</b> & 'Köln'", 123_456),
        ("up", "Berlin", 123_456),
        ("up", "<b>Berlin</b> & 'Köln'", None),
    ):
        assert piece("spot", state, title, median_us) != first


def test_what_is_compiled_first_is_whole() -> None:
    """A template that names another one waits for it as it is first written."""
    assert ENVIRONMENT.loader
    for name in FIRST:
        source, *_ = ENVIRONMENT.loader.get_source(ENVIRONMENT, name)
        assert set(meta.find_referenced_templates(ENVIRONMENT.parse(source))) <= {*FIRST, None}
