"""Which packages are needed."""

from __future__ import annotations

import pytest

from collector.debian.closure import closure
from collector.debian.index import Package, ReleaseError


def package(name: str, depends: str = "", provides: str = "") -> Package:
    return Package(name, "1", f"{name}.deb", 1, "", depends, provides)


def names(*packages: Package, wanted: str = "a", excluded: tuple[str, ...] = ()) -> list[str]:
    chosen = closure([wanted], packages, is_excluded=lambda name: name in excluded)
    return [package.name for package in chosen]


def test_dependencies_are_followed_once_through_circles() -> None:
    assert names(
        package("a", "b (>= 1:2.0~), c:any"), package("b", "c"), package("c", "a"), package("d")
    ) == ["a", "b", "c"]


def test_the_first_alternative_that_exists_is_taken() -> None:
    assert names(package("a", "x | c | b"), package("b"), package("c")) == ["a", "c"]


def test_an_alternative_that_is_chosen_already_is_enough() -> None:
    assert names(package("a", "c | b"), package("b"), package("c"), wanted="a") == ["a", "c"]
    assert names(package("a", "b, c | b"), package("b", "d"), package("c"), package("d")) == [
        "a",
        "b",
        "d",
    ]


@pytest.mark.parametrize("provides", ["virtual", "virtual (= 3.2)", "other, virtual (= 1), x"])
def test_a_virtual_package_is_provided(provides: str) -> None:
    assert names(package("a", "virtual (>= 1)"), package("b", provides=provides)) == ["a", "b"]


def test_excluded_packages_and_what_only_they_need_stay_out() -> None:
    packages = (package("a", "perl, locales | locales-all"), package("perl", "huge"))
    assert names(
        *packages, package("huge"), package("locales-all"), excluded=("perl", "locales")
    ) == ["a"]


@pytest.mark.parametrize("depends", ["absent", "absent | gone (= 2)"])
def test_an_unsatisfiable_dependency_is_named(depends: str) -> None:
    with pytest.raises(ReleaseError, match=r"lacks absent.*which a needs"):
        names(package("a", depends))


def test_an_unknown_package_is_named() -> None:
    with pytest.raises(ReleaseError, match="has no package zebra"):
        names(package("a"), wanted="zebra")
