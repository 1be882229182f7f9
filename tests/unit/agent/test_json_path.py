from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.json_path import Json, Missing, is_same, look_up, parse

DOCUMENT: Json = {
    "a": {"b c": [10, 20, {"it's": True}]},
    "größe": 1,
    "": "empty",
    'say "x"': None,
    "a=b": 2,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a['b c'][0]", 10),
        ("$['a'][\"b c\"][-2]", 20),
        ("$.a['b c'][2]['it\\'s']", True),
        ("$.größe", 1),
        ("$['']", "empty"),
        ('$["say \\"x\\""]', None),
        ("$[ 'a=b' ]", 2),
    ],
)
def test_one_value_is_found(path: str, value: Json) -> None:
    assert look_up(DOCUMENT, parse(path)) == value


@pytest.mark.parametrize(
    "path", ["$.b", "$.a.b", "$[0]", "$.a['b c'][3]", "$.a['b c'][-4]", "$.größe.x"]
)
def test_or_none(path: str) -> None:
    with pytest.raises(Missing):
        look_up(DOCUMENT, parse(path))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "$a",
        "$.",
        "$..a",
        "$.*",
        "$[*]",
        "$[01]",
        "$[-0]",
        "$[1:2]",
        "$[?@.a]",
        "$.1",
        "$['a]",
    ],
)
def test_what_is_no_singular_query_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"^The JSON path "):
        parse(path)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(parse("$" + text), tuple)


@given(st.text(st.characters(exclude_characters="\\'")))
def test_any_name_can_be_quoted(name: str) -> None:
    assert look_up({name: 1}, parse(f"$['{name}']")) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ([1, [True]], [1.0, [True]], True),
        ([1], [True], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ("1", 1, False),
        ([], {}, False),
    ],
)
def test_equality_is_json_s(one: Json, other: Json, same: bool) -> None:
    assert is_same(one, other) is same


def test_what_is_nested_deep_is_compared_all_the_same() -> None:
    """As deep as the text that a monitor may expect can be."""
    deep = json.loads("[" * 500 + "]" * 500)
    assert is_same(deep, json.loads("[" * 500 + "]" * 500))
    assert not is_same(deep, json.loads("[" * 500 + "1" + "]" * 500))
