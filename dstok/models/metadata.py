"""The installed packages that name models, from pip's records alone: no file of a package is read.

In: nothing. Out: the packages whose metadata have entry points of the group `dstok.models`, each with its models' names
and their modules; and the faults in metadata, as errors that name the package and its place.
Invariant: a fault in one package affects no other, be it a package of models or not. Of two copies of a package the one
that Python would import counts: the first on sys.path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dstok.errors import ModelPackageError
from dstok.models.names import common_form

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["FILE", "GROUP", "Named", "fault", "named"]

GROUP, FILE = "dstok.models", "entry_points.txt"
AGAIN = "install it again, or a version of it that was made for this version of dstok"


class Named(NamedTuple):
    """A package that names models. `place`: the folder that it is installed in. `modules`: by a model's plain name."""

    name: str
    version: str
    place: str
    modules: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


def named() -> tuple[list[Named], list[ModelPackageError]]:
    """The packages that name models, and the faults in the metadata of those that may."""
    from importlib.metadata import distributions  # takes longer than a built-in model does

    packages: dict[str, Named] = {}
    faults: list[ModelPackageError] = []
    for distribution in distributions():
        try:
            if f"[{GROUP}]" in _text(distribution):
                package = _of(distribution, _modules(distribution))
                packages.setdefault(re.sub("[-_.]+", "-", package.name).lower(), package)
        except (OSError, ValueError) as error:
            faults.append(fault(_of(distribution, {}), error))
    return list(packages.values()), faults


def fault(package: Named, error: Exception) -> ModelPackageError:
    """The error for a fault in a package; it names the package."""
    return ModelPackageError(f"the installed package {package}: {error}: {AGAIN}")


def _of(distribution: Distribution, modules: dict[str, str]) -> Named:
    """The package of a folder of metadata. A folder that pip has left half may have no name."""
    place = str(distribution.locate_file(""))
    try:
        data = distribution.metadata
        name, version = (data[key] if key in data else "" for key in ("Name", "Version"))  # noqa: SIM401
    except (OSError, ValueError):
        name = version = ""
    return Named(name or f"without a name in {place}", version or "", place, modules)


def _text(distribution: Distribution) -> str:
    """The text that names the models, if it is there."""
    try:
        return distribution.read_text(FILE) or ""
    except UnicodeDecodeError:
        raise ValueError(f"{_where(distribution)}: expected UTF-8, found other bytes") from None


def _where(distribution: Distribution) -> str:
    return f"{FILE} in {distribution.locate_file('')}"


def _modules(distribution: Distribution) -> dict[str, str]:
    where = _where(distribution)
    try:
        points = [point for point in distribution.entry_points if point.group == GROUP]
    except Exception:  # each version of Python raises its own
        raise ValueError(f"{where}: expected lines of the form NAME = MODULE, found others") from None
    modules: dict[str, str] = {}
    for point in points:
        if modules.setdefault(common_form(point.name), point.value) != point.value:
            raise ValueError(f"{where}: expected one module with the model {common_form(point.name)!r}, found "
                             f"{modules[common_form(point.name)]} and {point.value}")
    return modules
