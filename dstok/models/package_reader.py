"""Models of installed packages: `pip install dstok-models-mine`, then `dstok.load("mine")`.

In: a name that no built-in model has. Out: the tokenizer of the package with this name, or the package's fault; the
list of all such models, and the faults of the other packages.
Invariant: a built-in name never leads to a package; if two packages have one model name, neither counts. An image
passes the checks of one that is opened, the checksum too. No code of a package runs. A broken package affects no other.
A loaded model's name loads it again, whatever name loaded it first: so a refused name also refuses its aliases.
A package names its models as entry points of the group `dstok.models` (metadata.py). These lead to the module with
index.json, which package_writer.py writes. Each call asks anew for the installed packages, since they may change
while a process runs; built-in models do not wait for this.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dstok.errors import ImageError, ModelNotFoundError, ModelPackageError, PatternError, UnsupportedError
from dstok.models.metadata import FILE, Named, fault, named
from dstok.models.names import common_form, is_taken, not_found
from dstok.tables.flat import Tables, tables_from_image
from dstok.tables.image.checks import check_image, tokenizer_parts
from dstok.tables.image.file import open_image

if TYPE_CHECKING:
    from dstok.formats.added_token import AddedToken
    from dstok.formats.description import TokenizerConfig

__all__ = ["ENTRY", "INDEX", "NAME", "InstalledTables", "Model", "installed", "is_installed", "is_named", "listing",
           "missing", "model_of"]

T = TypeVar("T")
INDEX = "index.json"
NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")  # of a model, and of its file
ENTRY = {"image": str, "sha256": str, "vocab_size": int, "source": str, "licence": str, "aliases": list}


class InstalledTables(Tables):
    """The tables of an installed package, with the name, added tokens and configuration that they were loaded with."""

    own: tuple[Any, ...] = ()


class Model(NamedTuple):
    """A model of a package: its own name, its entry in index.json (`ENTRY`), the folder of its files."""

    name: str
    entry: dict[str, Any]
    package: Named
    folder: str

    @property
    def image(self) -> str:
        """Its image, which others may share."""
        return os.path.join(self.folder, self.entry["image"])

    @property
    def own(self) -> str:
        """The file of this model alone."""
        return os.path.join(self.folder, f"{self.name}.json")


def installed(name: str, make: Callable[..., T]) -> T | None:
    """`make` (`Tokenizer`) applied to the parts of an installed package's model; None if no package has the name.

    Raises `ModelPackageError`.
    """
    model = model_of(name)
    if model is None:
        return None
    with _about(model.package):
        image = open_image(model.image, verify=True)
        check_image(image)
        added, bos_id, eos_id, _, config = tokenizer_parts(image._replace(path=model.own, tokenizer=_json(model.own)))
        tables = InstalledTables(*tables_from_image(image))
        tables.own = (model.name, added, replace(config, bos_id=bos_id, eos_id=eos_id))
        return make(tables, added, bos_id, eos_id, model.name, config)


def is_installed(name: str, tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig) -> bool:
    """Did `installed` give `make` these parts? `config` has BOS and EOS, too."""
    return isinstance(tables, InstalledTables) and tables.own == (name, added, config)


def model_of(name: str) -> Model | None:
    """The installed model of that name or alias; None if no package has the name. Raises `ModelPackageError`."""
    packages, _ = named()
    holders = _holders(name, packages)
    if is_taken(name) or not holders:
        return None
    package = holders[0]
    if (refusal := _refusal(name, package, packages)) is not None:
        raise refusal
    with _about(package):
        model = next(model for model in _models(package, package.modules[common_form(name)])
                     if common_form(name) in (model.name, *map(common_form, model.entry["aliases"])))
    if (refusal := _refusal(model.name, package, packages)) is not None:
        raise refusal
    return model


def is_named(name: str) -> bool:
    """Whether a package has a model of that name."""
    return not is_taken(name) and bool(_holders(name, named()[0]))


def missing(name: str) -> ModelNotFoundError:
    """The error that no model has this name; it also names the packages that cannot be read and may have it."""
    packages, faults = named()
    names = {name: " and ".join(sorted(package.name for package in _holders(name, packages)))
             for package in packages for name in package.modules if not is_taken(name)}
    error = not_found(name, names)
    return error if is_taken(name) else ModelNotFoundError("; ".join(map(str, [error, *faults])))


def listing() -> tuple[list[Model], list[ModelPackageError]]:
    """The models that load, in the order of their names, with the aliases that load; and the faults of the others.

    The list checks that a model's files are there; loading the model checks their contents.
    """
    packages, faults = named()
    models: list[Model] = []
    for package in packages:
        for module in dict.fromkeys(package.modules.values()):
            try:
                with _about(package):
                    found = _models(package, module)
            except ModelPackageError as error:
                faults.append(error)
                continue
            for model in found:
                wrong, listed = _listed(model, packages)
                faults += wrong
                models += listed
    told = {str(error): error for error in faults}  # both packages report a name that they share
    return sorted(models, key=lambda model: (model.name, model.package.name)), list(told.values())


def _listed(model: Model, packages: Sequence[Named]) -> tuple[list[ModelPackageError], list[Model]]:
    """The faults of a model; and the model with the aliases that load, unless it cannot be loaded."""
    names = {name: _refusal(name, model.package, packages) for name in (model.name, *model.entry["aliases"])}
    wrong = [error for error in names.values() if error is not None]
    try:
        with _about(model.package):
            os.stat(model.image)
            os.stat(model.own)
    except ModelPackageError as error:
        return [*wrong, error], []
    if names.pop(model.name) is not None:
        return wrong, []
    aliases = [name for name, error in names.items() if error is None]
    return wrong, [model._replace(entry={**model.entry, "aliases": aliases})]


# The package with the name


def _holders(name: str, packages: Sequence[Named]) -> list[Named]:
    return [package for package in packages if common_form(name) in package.modules]


def _refusal(name: str, package: Named, packages: Sequence[Named]) -> ModelPackageError | None:
    """The reason why a package's name does not count; None if it does."""
    if is_taken(name):
        return fault(package, ValueError(f"expected names that dstok does not know itself, found {name!r}, which stays "
                                         "what it is without the package"))
    holders = sorted(holder.name for holder in _holders(name, packages))
    if len(holders) > 1:
        return ModelPackageError(f"expected one package with the model {common_form(name)!r}, found "
                                 f"{' and '.join(holders)}: uninstall all of these but one")
    return None


@contextmanager
def _about(package: Named) -> Iterator[None]:
    """Turns every fault of a package into a `ModelPackageError` that names the package."""
    try:
        yield
    except (ImageError, UnsupportedError, PatternError, OSError, ValueError) as error:
        raise fault(package, error) from None


# The contents of a package


def _models(package: Named, module: str) -> list[Model]:
    """The models of one of a package's modules, exactly those that its metadata name. Raises `ValueError`."""
    folder = _folder(package, module)
    path = os.path.join(folder, INDEX)
    index = _index(path)
    known = [common_form(name) for model, entry in index.items() for name in (model, *entry["aliases"])]
    wanted = {name for name, its in package.modules.items() if its == module}
    if lost := sorted(wanted.difference(known)):
        raise ValueError(f"{path}: expected the model {lost[0]!r}, which {FILE} names, found "
                         f"{', '.join(index) or 'none'}")
    if others := [name for number, name in enumerate(known) if name not in wanted or name in known[:number]]:
        raise ValueError(f"{path}: expected the names of {FILE}, each once, found {others[0]!r}")
    return [Model(name, entry, package, folder) for name, entry in index.items()]


def _folder(package: Named, module: str) -> str:
    """The folder of a module's files. The module is not imported: there is nothing in it to run."""
    from importlib.util import find_spec

    where = f"{FILE} in {package.place}"
    if not module.isidentifier():  # to find one with a dot, Python would run the module before the dot
        raise ValueError(f"{where}: expected a module's name without dots, found {module!r}")
    spec = find_spec(module)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if len(places) != 1:
        raise ValueError(f"{where}: expected the folder of the module {module}, found {', '.join(places) or 'none'}")
    return places[0]


def _index(path: str) -> dict[str, dict[str, Any]]:
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


def _json(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        try:
            found = json.load(file)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected a JSON object, found other data")
    return found
