"""Models of installed packages: `pip install dstok-models-mine`, then `dstok.load("mine")`.

In: a name that no built-in model has. Out: the tokenizer of the package that has it, or what is wrong with the
package.
Invariant: a built-in name is never looked for in packages; of two packages with one name neither is taken; what an
image holds is checked as that of an image that is opened, its checksum too. No code of a package is run.
A package names its models as entry points of the group `dstok.models`, which lead to the module where index.json lies,
as package.py writes it. All that is installed is asked anew each time, since it may change while a process runs;
built-in models do not wait for it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from dstok.errors import ImageError, ModelPackageError, PatternError, UnsupportedError
from dstok.formats.image import open_image
from dstok.models.names import is_taken, plain
from dstok.tables.image_checks import check_image, tokenizer_parts
from dstok.tables.objects import Tables, tables_from_image

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["ENTRY", "GROUP", "INDEX", "NAME", "InstalledTables", "entries", "installed", "is_installed", "packages"]

T = TypeVar("T")
GROUP, INDEX = "dstok.models", "index.json"
NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")  # of a model: it is that of a file, too
ENTRY = {"image": str, "sha256": str, "vocab_size": int, "source": str, "licence": str, "aliases": list}
AGAIN = "install it again, or a version of it that was made for this version of dstok"


class InstalledTables(Tables):
    """Those of an installed package, with the name, added tokens, BOS and EOS that they were loaded with."""

    own: tuple[Any, ...] = ()


def installed(name: str, make: Callable[..., T]) -> T | None:
    """What `make` (`Tokenizer`) makes of the parts of an installed package's model; None if no package has the name.

    Raises `ModelPackageError`.
    """
    named = _by_name().get(plain(name))
    if named is None:
        return None
    entry = _one(name, named)
    with _about(entry):
        folder = _folder(entry)
        model, listed = _listed(_index(folder), name)
        image = open_image(os.path.join(folder, listed["image"]), verify=True)
        check_image(image)
        path = os.path.join(folder, f"{model}.json")
        added, bos_id, eos_id, _, config = tokenizer_parts(image._replace(path=path, tokenizer=_json(path)))
        tables = InstalledTables(*tables_from_image(image))
        tables.own = (model, added, bos_id, eos_id)
        return make(tables, added, bos_id, eos_id, model, config)


def is_installed(tables: Tables, *own: Any) -> bool:
    """Is this what `installed` gives `make`: the tables, and the name, added tokens, BOS and EOS, as they were?"""
    return isinstance(tables, InstalledTables) and tables.own == own


def packages() -> dict[str, str]:
    """The names and aliases of installed models, each with its package's name, or the names of all that have it."""
    return {name: " and ".join(sorted(found)) for name, found in _by_name().items()}


def entries() -> list[tuple[str, dict[str, Any], str]]:
    """The installed models: name, what index.json says of it (`ENTRY`), and the package; in the order of names.

    Raises `ModelPackageError`.
    """
    found = {}
    for name, named in _by_name().items():
        entry = _one(name, named)
        with _about(entry):
            model, listed = _listed(_index(_folder(entry)), name)
        found[model, _package(entry)] = listed
    return [(model, listed, package) for (model, package), listed in sorted(found.items(), key=lambda item: item[0])]


# Who has the name


def _by_name() -> dict[str, dict[str, EntryPoint]]:
    """The entry points by a model's name, and by their package's. Of names that are taken there are none."""
    from importlib.metadata import entry_points  # takes longer than a built-in model does

    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        if not is_taken(entry.name):
            found.setdefault(plain(entry.name), {})[_package(entry)] = entry
    return found


def _one(name: str, found: Mapping[str, EntryPoint]) -> EntryPoint:
    if len(found) > 1:
        raise ModelPackageError(f"expected one package with the model {name!r}, found {' and '.join(sorted(found))}: "
                                "uninstall all of these but one")
    return next(iter(found.values()))


def _package(entry: EntryPoint) -> str:
    return entry.value if entry.dist is None else entry.dist.name


@contextmanager
def _about(entry: EntryPoint) -> Iterator[None]:
    """What is wrong with a package is a `ModelPackageError` that names it, whatever has found it."""
    try:
        yield
    except (ImageError, UnsupportedError, PatternError, OSError, ValueError) as error:
        version = f" {entry.dist.version}" if entry.dist is not None else ""
        raise ModelPackageError(f"the installed package {_package(entry)}{version}: {error}: {AGAIN}") from None


# What lies in it


def _folder(entry: EntryPoint) -> str:
    """Where the files of a package lie. It is not imported: there is nothing in it to run."""
    from importlib.util import find_spec

    spec = find_spec(entry.module)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if len(places) != 1:
        raise ValueError(f"expected the folder of the module {entry.module}, found {places or 'none'}")
    return places[0]


def _index(folder: str) -> dict[str, dict[str, Any]]:
    path = os.path.join(folder, INDEX)
    index = _json(path)
    for name, listed in index.items():
        if not NAME.fullmatch(name):
            raise ValueError(f"{path}: expected names of models, found {name!r}")
        found = {key: type(value) for key, value in listed.items()} if isinstance(listed, dict) else type(listed)
        if found != ENTRY or not all(isinstance(alias, str) for alias in listed["aliases"]):
            raise ValueError(f"{path}: expected {', '.join(ENTRY)} of the model {name!r}, found others")
        if os.path.basename(listed["image"]) != listed["image"]:
            raise ValueError(f"{path}: expected the name of an image, found {listed['image']!r}")
    return index


def _listed(index: dict[str, dict[str, Any]], name: str) -> tuple[str, dict[str, Any]]:
    """The model of that name or alias."""
    for model, listed in index.items():
        if plain(name) in (model, *map(plain, listed["aliases"])):
            return model, listed
    raise ValueError(f"expected the model {name!r} in {INDEX}, found {', '.join(index) or 'none'}")


def _json(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        try:
            found = json.load(file)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a JSON object, found other data")
    return found
