"""Which packages a program needs: the closure of Depends and Pre-Depends.

Versions are not compared: within one release every dependency is satisfied by that release.
Source: Debian Policy, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from collector.debian.index import Package, ReleaseError


def closure(
    wanted: Iterable[str], packages: Iterable[Package], *, is_excluded: Callable[[str], bool]
) -> list[Package]:
    """Return the wanted packages and all they need, by name.

    Excluded names count as satisfied, and so does what only they need.
    Raises: ReleaseError when the release cannot satisfy a dependency.
    """
    by_name: dict[str, Package] = {}
    providers: dict[str, list[str]] = {}
    for package in packages:
        by_name[package.name] = package
        for name in _names(package.provides):
            providers.setdefault(name, []).append(package.name)

    chosen: dict[str, Package] = {}
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name in chosen:
            continue
        if name not in by_name:
            raise ReleaseError(f"The release has no package {name}.")
        chosen[name] = by_name[name]
        for alternatives in _dependencies(by_name[name].depends):
            satisfying = [
                provider
                for alternative in alternatives
                for provider in (alternative, *providers.get(alternative, ()))
                if provider in by_name or is_excluded(provider)
            ]
            if not satisfying:
                raise ReleaseError(
                    f"The release lacks {' or '.join(alternatives)}, which {name} needs."
                )
            if not any(is_excluded(p) or p in chosen or p in todo for p in satisfying):
                todo.append(satisfying[0])
    return [chosen[name] for name in sorted(chosen)]


def _dependencies(field: str) -> Iterator[list[str]]:
    for group in field.split(","):
        if group.strip():
            yield [_name(alternative) for alternative in group.split("|")]


def _names(field: str) -> list[str]:
    return [_name(entry) for entry in field.split(",") if entry.strip()]


def _name(entry: str) -> str:
    """``libc6:any (>= 2.38) [amd64]`` -> ``libc6``."""
    return entry.split()[0].partition(":")[0]
