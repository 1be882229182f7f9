"""Every page of the documentation that something names is there, and README.md leads to each."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# What is read by people and names pages.
FOLDERS = ("agent", "collector", "dashboard", "proto", "deploy", "bench", "tests", "docs")
KINDS = {".md", ".py", ".sql", ".proto", ".html", ".yaml", ".service", ".sh"}


def test_every_page_that_is_named_is_there() -> None:
    named: dict[str, str] = {}
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    for path in [*files, *ROOT.glob("*.md"), *ROOT.glob("Dockerfile.*"), ROOT / "Makefile"]:
        if path.suffix in KINDS or path.parent == ROOT:
            for name in re.findall(r"\bdocs/([a-z/-]+\.md)\b", path.read_text(encoding="utf-8")):
                named[name] = str(path.relative_to(ROOT))
    assert {name: by for name, by in named.items() if not (DOCS / name).exists()} == {}


def test_links_between_pages_lead_somewhere() -> None:
    for page in (*DOCS.rglob("*.md"), *ROOT.glob("*.md")):
        for link in re.findall(r"\]\(([^):]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name} leads to {link}"
            assert not anchor or anchor in anchors(target), f"{page.name} leads to {link}"


def anchors(page: Path) -> set[str]:
    """What can follow a page's address: its headings, worded as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([a-z-]+\.md)\)", (ROOT / "README.md").read_text()))
    assert {page.name for page in DOCS.glob("*.md")} == linked
