"""The build: the extension modules, how they are made, and one switch of the environment.

All else is in pyproject.toml.

Each .pyx file of the core's floors is an extension module. Headers have their floor before their name
(`#include "cpu/vectors.h"`), and any of them may be part of any module. Cython adds the same
code to every module (views of memory, functions, above all). That code is one more module, `dstok.core._shared`,
which the others use: one compilation of it instead of 19 saves two thirds of the build.

    DSTOK_EMULATE=avx512 pip install .

compiles the core's code for AVX-512 and AVX2 against an emulation of these instructions (tests/emulation), and the form
of lists that makes a new int for each id (core/encode/ints.h).
tests/emulate does so, to run that code on any processor. The emulation is slow, and for nothing else. Such a build has
a folder of its own, so that neither kind takes the other's compiled files for its own.

On Windows the compiler is clang-cl: dstok/core/cpu/platform.h says why.
"""

import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, OptionError

ROOT = Path(__file__).resolve().parent
EMULATED = os.environ.get("DSTOK_EMULATE", "")
if EMULATED not in ("", "avx512"):
    raise OptionError(f"expected DSTOK_EMULATE to be avx512 or not set, found {EMULATED!r}")

CORE = Path("dstok", "core")
EMULATION = [os.path.join("tests", "emulation")] if EMULATED else []
HEADERS = sorted(str(path.relative_to(ROOT)) for pattern in ("dstok/core/*/*.h", "tests/emulation/*.h")
                 for path in ROOT.glob(pattern))
DIRECTIVES = {"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True, "autotestdict": False,
              "freethreading_compatible": True, "annotation_typing": False}  # of Cython, for all of the core
# Emulated code is slow either way: what takes longer is to compile it, a minute for the kernels alone with -O1, ten
# seconds so. Tables to unwind the stack would be 1 % of the wheel: nothing here throws.
OPTIONS = [] if os.name == "nt" else ["-O0" if EMULATED else "-O3", "-g0", "-fno-asynchronous-unwind-tables"]
# Modules without a loop over a text of the user's, and the option that makes them smaller: the wheel has little room.
# Models load as fast (15 pairs of processes: 0.97 to 1.01), and 65 kB of the wheel are saved.
SMALL = {"check/proofs.pyx": "-Os", **dict.fromkeys(("_shared.c", "bpe/facts.pyx", "bpe/tables.pyx", "cpu/level.pyx",
                                                     "text/model_json.pyx"), "-O2")}
if EMULATED:
    SMALL = {}


def extension(source: str) -> Extension:
    """The module that a .pyx file, or a file of C, is compiled to: its path in the core -> the module."""
    path = CORE / source
    return Extension(".".join(path.with_suffix("").parts), [str(path)], include_dirs=[str(CORE), *EMULATION],
                     extra_compile_args=OPTIONS and [*OPTIONS, SMALL.get(source, OPTIONS[0])], depends=HEADERS)


RULES = runpy.run_path(str(ROOT / "release" / "programs.py"))  # the sources of the stored programs, and their hash
SHARED = extension("_shared.c")  # Cython writes it, too
SOURCES = sorted(path.relative_to(ROOT / CORE).as_posix() for path in (ROOT / CORE).glob("*/*.pyx"))
EXTENSIONS = [*map(extension, SOURCES), SHARED]
CHECK = EXTENSIONS[SOURCES.index("check/proofs.pyx")]
CHECK.define_macros, CHECK.depends = [("DSTOK_SOURCES", f'"{RULES["sources_hash"]()}"')], [*HEADERS, *RULES["SOURCES"]]


def cores() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current(made: list[Path]) -> bool:
    """Whether the C files are newer than all their sources.

    Cython's own files do not count, since every build environment has new copies of them.
    """
    sources = [path for pattern in ("*.pyx", "*.pxd") for path in (ROOT / CORE).rglob(pattern)]
    settings = [ROOT / "pyproject.toml", ROOT / "setup.py"]
    return newer_than([*sources, *settings], made)


def newer_than(old: list[Path], made: list[Path]) -> bool:
    """Whether each file of `made` exists, and is newer than all existing files of `old`."""
    newest = max((path.stat().st_mtime for path in old if path.exists()), default=0.0)
    return all(path.exists() and path.stat().st_mtime > newest for path in made)


def make_c(extensions: list[Extension], processes: int, force: bool) -> list[list[str]]:
    """The C files of each module. Cython makes those that are not current.

    Cython looks at an extension's own sources. The settings in this file concern all extensions.
    """
    made = [[str(Path(source).with_suffix(".c")) for source in extension.sources] for extension in extensions]
    paths = [ROOT / path for paths in made for path in paths]
    if force or not current(paths):
        force = force or not newer_than([ROOT / "setup.py"], paths)
        cythonize([extension for extension in extensions if extension is not SHARED], nthreads=processes, force=force,
                  compiler_directives=DIRECTIVES, shared_utility_qualified_name=SHARED.name)
        make_shared(force)
    return made


def make_shared(force: bool) -> None:
    """Makes the C file with the code that Cython adds.

    Not by `cythonize`: that would give its module no package, and any other module of that name would be in its way.
    """
    path = ROOT / SHARED.sources[0]
    mark = f"/* Generated by Cython {Cython.__version__} */"
    if force or not path.exists() or not path.read_text(encoding="utf-8").startswith(mark):
        subprocess.run([sys.executable, "-m", "cython", "generate-shared", "--module-name", SHARED.name, str(path)],
                       check=True, cwd=ROOT)


class BuildExt(build_ext):
    """Builds on all cores. Cython runs in processes, since it does not bear threads; the compiler runs in threads."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or cores()

    def build_extensions(self) -> None:
        for extension, sources in zip(self.extensions, make_c(self.extensions, self.parallel, self.force)):
            extension.sources = sources
        if self.compiler.compiler_type == "msvc":
            self.compiler.initialize()
            self.compiler.cc = clang_cl()
        super().build_extensions()


def clang_cl() -> str:
    """The path of clang-cl, which takes the options of Microsoft's compiler."""
    found = shutil.which("clang-cl")
    if found is None:
        raise CompileError("expected clang-cl (of LLVM) on the path, found none: the core is written in vectors that "
                           "Microsoft's own compiler does not have")
    return found


class EmulatedBuild(build):
    """Builds in build/emulated."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.build_base = os.path.join(self.build_base, "emulated")


class EmulatedBuildExt(BuildExt):
    """Tells the compiler to emulate."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.define = [*(self.define or []), ("DSTOK_EMULATE_AVX512", "1"),
                       ("DSTOK_PLAIN_INTS", "1")]

    def run(self) -> None:
        if self.inplace or self.editable_mode:
            raise OptionError("DSTOK_EMULATE: expected an installation of its own, found one in place (--editable)")
        super().run()


def addresses() -> dict[str, str]:
    """The addresses that the owner has set in release/owner.toml, by their labels."""
    owner = tomllib.loads((ROOT / "release" / "owner.toml").read_text(encoding="utf-8"))
    return {label: url for label, url in {**owner["urls"], "Security": owner["security"]["contact"]}.items() if url}


if __name__ == "__main__":
    setup(ext_modules=EXTENSIONS, project_urls=addresses(),
          cmdclass={"build": EmulatedBuild, "build_ext": EmulatedBuildExt} if EMULATED else {"build_ext": BuildExt})
