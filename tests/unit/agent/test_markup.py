from __future__ import annotations

import pytest

from agent.markup import Tag, tags


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            '<IMG Src="a>b" alt=\'"\' x=1/ y z = w>',
            {"src": "a>b", "alt": '"', "x": "1/", "y": "", "z": "w"},
        ),
        ("<img src=a src=b/>", {"src": "a"}),
        ("<img src='?a=1&amp;b=2&copy=3&#x41;&#66;'>", {"src": "?a=1&b=2&copy=3AB"}),
        ("<img =a>", {"=a": ""}),
        ("<img\n\tsrc\n=\n'a\nb'>", {"src": "a\nb"}),
    ],
)
def test_a_tag_is_read_as_browsers_do(text: str, read: dict[str, str]) -> None:
    assert list(tags(text)) == [Tag("img", read)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a < b <i>c</i >", "i /i"),
        ("<!doctype html><?xml ?><b>", "b"),
        ("<!-- <b> --><i><!--><u><!---><s><!-- <b>", "i u s"),
        ("<script>if (a<b) '</b>'</SCRIPT ><i>", "script /script i"),
        ("<title><b></title><xmp><b></xmp>", "title /title xmp /xmp"),
        ("<template><b><template></template><b></template><i>", "i"),
        ("<style>a</styles></style>", "style /style"),
        ("<i><b", "i"),
        ("<i><b href='", "i"),
        ("<i></", "i"),
        ("", ""),
    ],
)
def test_what_is_no_tag_is_passed_over(text: str, names: str) -> None:
    assert " ".join(tag.name for tag in tags(text)) == names


def test_a_style_has_its_text() -> None:
    style, _ = tags("<style media=all>a { b: '</i>' }</style>")
    assert (style.attributes, style.text) == ({"media": "all"}, "a { b: '</i>' }")
