"""Runs a program, unchanged, with other libraries' tokenizers on dstok: `python -m dstok.patch PROGRAM ARGS...`.

In: a Python program, and in `DSTOK_PATCH` the libraries (all of `LIBRARIES` if it is unset). Out: the program's own
output and exit code; on stderr a line for each tokenizer: that it runs on dstok, or that it does not, and why.
Invariant: a library is imported only if the program imports it, and at that moment its integration is installed. What
dstok cannot do exactly stays the library's own. A fault of the patch is a line on stderr, and no error of the program.
Nothing runs at Python's start unless `--install-pth` was called: docs/integrations.md says why.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from dstok._util.files import write_at_once

__all__ = ["LIBRARIES", "main", "start"]

# Each library with the modules after which its integration can be installed, whichever is imported first.
LIBRARIES = {"tiktoken": ("tiktoken",), "transformers": (
    "transformers.tokenization_utils_tokenizers", "transformers.tokenization_utils_fast")}
PTH = "dstok_patch.pth"
START = 'import os; os.environ.get("DSTOK_PATCH") and __import__("dstok.patch").patch.start()\n'
USAGE = f"""usage: [DSTOK_PATCH=LIBRARY,...] python -m dstok.patch PROGRAM ARGS...
       [DSTOK_PATCH=LIBRARY,...] python -m dstok.patch -m MODULE ARGS...
       python -m dstok.patch --install-pth | --remove-pth

PROGRAM is the file of a Python program, or a command on PATH that is one. The libraries are {", ".join(LIBRARIES)}.
--install-pth writes {PTH} into this Python's packages: then DSTOK_PATCH alone does it, in child processes, too.
"""
_said = set[str]()


def start() -> list[str]:
    """Install integrations when their libraries are imported, or now. Returns the libraries that `DSTOK_PATCH` names.

    A name that is none of `LIBRARIES` is told on stderr, and passed over.
    """
    named = [name.strip() for name in os.environ.get("DSTOK_PATCH", ",".join(LIBRARIES)).split(",") if name.strip()]
    for name in {*named} - LIBRARIES.keys():
        _say(f"{name!r} is none of the libraries that can be patched: {', '.join(LIBRARIES)}")
    libraries = [name for name in LIBRARIES if name in named]
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        there = [name for name in libraries if any(module in sys.modules for module in LIBRARIES[name])]
        sys.meta_path.insert(0, _Finder({module: name for name in libraries if name not in there
                                         for module in LIBRARIES[name]}))
        for name in there:
            _install(name)
    return libraries


class _Finder(MetaPathFinder, Loader):
    """Finds the modules that it waits for as other finders do, and loads them by their loaders; then it installs."""

    def __init__(self, waiting: dict[str, str]) -> None:
        self.waiting = waiting  # by the name of a module: its library
        self.loaders = dict[str, Loader]()

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        library = self.waiting.pop(name, None)
        spec = None if library is None else find_spec(name)
        if library is None or spec is None or spec.loader is None:
            return None
        self.loaders[library], spec.loader, spec.loader_state = spec.loader, self, library
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loaders[spec.loader_state].create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec: Any = module.__spec__
        library = spec.loader_state
        module.__loader__ = spec.loader = self.loaders[library]
        spec.loader.exec_module(module)
        for name in LIBRARIES[library]:
            self.waiting.pop(name, None)
        _install(library)


def _install(library: str) -> None:
    def tell(name: str, reason: str) -> None:
        told = f"stays as it is: {reason}" if reason else "runs on dstok"
        _say(f"{library} {version(library)}: {name} {told}")

    try:
        import_module(f"dstok.integrations.{library}").install(tell)
    except Exception as error:  # the program runs without
        _say(f"{library} stays as it is: {error}")


def _say(line: str) -> None:
    """Print a line on stderr, once."""
    if sys.stderr is not None and line not in _said:
        _said.add(line)
        print(f"dstok.patch: {line}", file=sys.stderr, flush=True)


def _say_unused(library: str, waiting: dict[str, str]) -> None:
    if library in waiting.values():
        _say(f"{library} is not patched: the program did not import it, or no tokenizers of it")


def main(argv: Sequence[str]) -> int:
    """Run a program with the words of its command, or install or remove the .pth file. Returns the exit code."""
    pth = Path(sysconfig.get_path("purelib")) / PTH
    if argv[:1] == ["--install-pth"]:
        write_at_once(pth, START.encode())
        print(pth)
    elif argv[:1] == ["--remove-pth"]:
        pth.unlink(missing_ok=True)
    elif not argv or (argv[0].startswith("-") and (argv[0] != "-m" or len(argv) == 1)):
        print(USAGE, end="", file=sys.stdout if argv in (["-h"], ["--help"]) else sys.stderr)
        return 0 if argv in (["-h"], ["--help"]) else 2
    else:
        return _run(argv)
    return 0


def _run(argv: Sequence[str]) -> int:
    """Run a program in this process, as `__main__`, as Python itself does."""
    program, found = ModuleType("__main__"), None
    try:
        if argv[0] == "-m":
            argv = argv[1:]
            found = find_spec(argv[0])
            if found is not None and found.submodule_search_locations is not None:
                found = find_spec(f"{argv[0]}.__main__")
            path = found.origin if found is not None else None
        else:
            path = argv[0] if os.path.isfile(argv[0]) else shutil.which(argv[0])
        file = os.path.abspath(path or argv[0])
        code: Any = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
    except (ImportError, SyntaxError, ValueError, OSError) as error:
        print(f"dstok.patch: expected a Python program, found {argv[0]}: {error}", file=sys.stderr)
        return 2
    if found is None and not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(file))
    vars(program).update(__file__=file, __spec__=found, __package__=found.parent if found else None)
    sys.argv, sys.modules["__main__"] = [str(path), *argv[1:]], program
    libraries = start()
    os.environ["DSTOK_PATCH"] = ",".join(libraries)  # for children, if there is the .pth file
    [waiting] = [finder.waiting for finder in sys.meta_path if isinstance(finder, _Finder)]
    for library in reversed(libraries):
        atexit.register(_say_unused, library, waiting)
    exec(code, vars(program))
    return 0
