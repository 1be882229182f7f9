from __future__ import annotations

import csv
import io

import pytest

from vantage.spreadsheet import cell, encode


@pytest.mark.parametrize("text", ['=HYPERLINK("x")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\0=1"])
def test_a_text_that_begins_like_a_formula_is_one_no_more(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=1", "", "https://x/?a=-1", -1, None, 1.5, True])
def test_everything_else_stays(value: object) -> None:
    assert cell(value) == value


def test_several_values_share_a_cell() -> None:
    assert cell([1, 2]) == "1, 2"
    assert cell(["=1", "b"]) == "'=1, b"
    assert cell([{"a": "=1"}, {"a": None}]) == '{"a": "=1"}, {"a": null}'


def test_a_file_keeps_its_lines_and_cells() -> None:
    rows: list[list[object]] = [["a", "b"], ['x,"y"', "two\nlines"], [-1, None]]
    read = list(csv.reader(io.StringIO(encode(rows).decode(), newline="")))
    assert read == [["a", "b"], ['x,"y"', "two\nlines"], ["-1", ""]]
