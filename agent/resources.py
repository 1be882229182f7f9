"""What a page is made of: the resources that its HTML and its style sheets ask for. Pure.

In the order in which a browser's preload scanner finds them, which is that of the text. What only
a script, a scroll or a click would fetch is left out: lazy images, frames, audio and video.

Source: HTML Living Standard (srcset, base, link types), CSS Syntax Module Level 3 (url, @import).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from urllib.parse import urldefrag, urljoin

from agent.markup import Tag, tags
from vantage.url import MAX_LENGTH

# A desktop window, in CSS pixels, on a screen of density 1.
WINDOW_WIDTH = 1280
# Of one page.
RESOURCES_MAX = 200
# Joined to a base: of those that come to the same, or to nothing, there may be any number.
_REFERENCES_MAX = 2_000

_SCRIPTS = {"", "module", "text/javascript", "application/javascript", "text/ecmascript"}
_AS = {"style": "stylesheet", "script": "script", "image": "image", "font": "font"}
# Whoever wrote a page may mean harm: every repetition is possessive, and takes what it passes over
# once. A URL that ends with a comma has no descriptor.
_CANDIDATE = re.compile(r"[\s,]*+(\S++)(?:(?<!,)([^,]*+))?")
_DESCRIPTOR = re.compile(r"([0-9]++(?:\.[0-9]++)?|\.[0-9]++)([wx])")
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_URL = r"""url\(\s*+(?:"([^"\n]*+)"|'([^'\n]*+)'|([^"'()\s]*+))\s*+\)"""
_IMPORT = re.compile(rf"""@import\s++(?:{_URL}|"([^"\n]*+)"|'([^'\n]*+)')""", re.IGNORECASE)
_FONT = re.compile(r"@font-face\s*+\{([^{}]*+)\}", re.IGNORECASE)
_IMAGE = re.compile(_URL, re.IGNORECASE)


class Kind(StrEnum):
    """What a resource is for."""

    STYLESHEET = "stylesheet"
    SCRIPT = "script"
    IMAGE = "image"
    FONT = "font"


# As it is written.
Reference = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that a page asks for; ``url``: absolute, without a fragment."""

    kind: Kind
    url: str


def of_html(body: bytes, url: str) -> list[Resource]:
    """Return what a document at ``url`` asks for; see ``of_css``."""
    references: list[Reference] = []
    base, picture = "", Picture()
    for tag in tags(body.decode("utf-8", "replace")):
        if tag.name == "base":
            base = base or tag.attributes.get("href", "")[: MAX_LENGTH + 1]
        references += _asked_for(tag, picture)
        if tag.name == "style":
            references += _of_style(tag.text)
        if style := tag.attributes.get("style"):
            references += _of_style(style)
    if len(base) <= MAX_LENGTH:  # what it is joined to could be as long, thousands of times
        with contextlib.suppress(ValueError):
            url = urljoin(url, base)
    return _absolute(references, url)


def of_css(text: str, url: str) -> list[Resource]:
    """Return what a style sheet at ``url`` asks for: of each font its first file.

    Of more than RESOURCES_MAX one more, which tells that the others are left out.
    """
    return _absolute(_of_style(text), url)


def _of_style(text: str) -> list[Reference]:
    text = _COMMENT.sub("", text)
    found = [(Kind.STYLESHEET, _first(match.groups())) for match in _IMPORT.finditer(text)]
    text = _IMPORT.sub("", text)
    for face in _FONT.finditer(text):
        if (file := _IMAGE.search(face[1])) is not None:
            found.append((Kind.FONT, _first(file.groups())))
    text = _FONT.sub("", text)
    found += [(Kind.IMAGE, _first(match.groups())) for match in _IMAGE.finditer(text)]
    return found


@dataclass(slots=True)
class Picture:
    """The picture that a tag is in. ``srcset``: of its first source; empty: there is none yet."""

    is_open: bool = False
    srcset: str = ""


def _asked_for(tag: Tag, picture: Picture) -> Iterator[Reference]:
    attributes = tag.attributes
    match tag.name:
        case "link" if "href" in attributes:
            if (kind := _linked(attributes)) is not None:
                yield kind, attributes["href"]
        case "script" if "src" in attributes:
            kind_of_script = attributes.get("type", "").strip().lower()
            if kind_of_script in _SCRIPTS and "nomodule" not in attributes:
                yield Kind.SCRIPT, attributes["src"]
        case "picture" | "/picture":
            picture.is_open, picture.srcset = tag.name == "picture", ""
        case "source" if picture.is_open:
            picture.srcset = picture.srcset or attributes.get("srcset", "")
        case "img":
            if attributes.get("loading", "").lower() != "lazy":
                chosen = chosen_of(picture.srcset or attributes.get("srcset", ""))
                yield Kind.IMAGE, chosen or ("" if picture.srcset else attributes.get("src", ""))
        case "input" if attributes.get("type", "").lower() == "image":
            yield Kind.IMAGE, attributes.get("src", "")
        case "video" if "poster" in attributes:
            yield Kind.IMAGE, attributes["poster"]


def _linked(attributes: dict[str, str]) -> Kind | None:
    relations = set(attributes.get("rel", "").lower().split())
    if "stylesheet" in relations:
        is_off = "alternate" in relations or "disabled" in attributes
        return None if is_off else Kind.STYLESHEET
    if "icon" in relations:
        return Kind.IMAGE
    if "modulepreload" in relations:
        return Kind.SCRIPT
    if "preload" in relations and attributes.get("as", "").lower() in _AS:
        return Kind(_AS[attributes["as"].lower()])
    return None


def chosen_of(srcset: str) -> str:
    """Choose one candidate for a window of WINDOW_WIDTH and density 1; empty: there is none.

    Of those with widths the smallest that fills the window, else the largest; of those with
    densities that of 1, else the first.
    """
    widths: list[tuple[float, str]] = []
    densities: list[tuple[float, str]] = []
    for match in _CANDIDATE.finditer(srcset.strip(", \t\n\f\r")):
        described = _DESCRIPTOR.fullmatch((match[2] or "").strip() or "1x")
        if described is not None and (url := match[1].rstrip(",")):
            (widths if described[2] == "w" else densities).append((float(described[1]), url))
    if widths:
        enough = [pair for pair in widths if pair[0] >= WINDOW_WIDTH]
        return min(enough)[1] if enough else max(widths)[1]
    plain = [url for density, url in densities if density == 1]
    return (plain or [url for _, url in densities] or [""])[0]


def _first(groups: tuple[str | None, ...]) -> str:
    return next((group for group in groups if group), "")


def _absolute(found: list[Reference], url: str) -> list[Resource]:
    """Leave out what is no address of its own: fragments, data:, and other schemes than ours."""
    # A page may name one image ten thousand times.
    stripped = ((kind, reference.strip()) for kind, reference in dict.fromkeys(found))
    usable = (each for each in stripped if each[1] and not each[1].startswith(("#", "data:")))
    resources: dict[Resource, None] = {}
    for kind, reference in islice(usable, _REFERENCES_MAX):
        try:
            absolute = urldefrag(urljoin(url, reference)).url.replace(" ", "%20")
        except ValueError:
            continue
        if absolute.startswith(("http://", "https://")):
            resources[Resource(kind, absolute)] = None
        if len(resources) > RESOURCES_MAX:
            break
    return list(resources)
