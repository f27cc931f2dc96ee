"""The build: the extension modules, how they are made, and one switch of the environment; all else is in
pyproject.toml.

Each .pyx file of the core is an extension module. Any of its headers may be part of any of them. What Cython adds to
every module (views of memory, functions, above all) is one more module, `dstok.core._shared`, which the others use:
compiled once instead of 27 times, that saves two thirds of the build.

    DSTOK_EMULATE=avx512 pip install .

compiles the core's code for AVX-512 and AVX2 against an emulation of these instructions (dstok/core/_emulated.h), so
that tests can run it on any processor: tests/emulate does. Slow, and for nothing else. Such a build has a folder of its
own, so that neither kind takes the other's compiled files for its own.

On Windows the compiler is clang-cl: dstok/core/_platform.h says why.
"""

import os
import shutil
from pathlib import Path

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
HEADERS = sorted(str(CORE / path.name) for path in (ROOT / CORE).glob("*.h"))
OPTIONS = [] if os.name == "nt" else ["-O1" if EMULATED else "-O3", "-g0"]  # emulated code is slow either way


def extension(source: str) -> Extension:
    """The module of the core that is made of a .pyx file, or of a file of C."""
    return Extension(f"dstok.core.{Path(source).stem}", [str(CORE / source)],
                     extra_compile_args=OPTIONS, depends=HEADERS)


SHARED = extension("_shared.c")  # Cython writes it, too
EXTENSIONS = [*(extension(path.name) for path in sorted((ROOT / CORE).glob("*.pyx"))), SHARED]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current(made: list[Path]) -> bool:
    """Are the C files newer than all they are made of? Cython's own files, which every build environment has anew, do
    not count."""
    sources = [path for pattern in ("*.pyx", "*.pxd") for path in (ROOT / "dstok" / "core").glob(pattern)]
    settings = [ROOT / "pyproject.toml", ROOT / "setup.py"]
    return newer_than([*sources, *settings], made)


def newer_than(old: list[Path], made: list[Path]) -> bool:
    """Is each file of `made` there, and newer than all of `old` that are?"""
    newest = max((path.stat().st_mtime for path in old if path.exists()), default=0.0)
    return all(path.exists() and path.stat().st_mtime > newest for path in made)


def make_c(extensions: list[Extension], processes: int, force: bool) -> list[list[str]]:
    """The files of C of each module, which Cython makes where they are not current.

    Cython looks at an extension's own sources. What this file says of all of them concerns all of them.
    """
    made = [[str(Path(source).with_suffix(".c")) for source in extension.sources] for extension in extensions]
    paths = [ROOT / path for paths in made for path in paths]
    if force or not current(paths):
        force = force or not newer_than([ROOT / "setup.py"], paths)
        cythonize(extensions, nthreads=processes, force=force, shared_utility_qualified_name=SHARED.name)
    return made


class BuildExt(build_ext):
    """All cores: Cython makes C in processes, since it does not bear threads; then the compiler runs in threads."""

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
    """Tells the compiler."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.define = [*(self.define or []), ("DSTOK_EMULATE_AVX512", "1")]

    def run(self) -> None:
        if self.inplace or self.editable_mode:
            raise OptionError("DSTOK_EMULATE: expected an installation of its own, found one in place (--editable)")
        super().run()


if __name__ == "__main__":
    setup(ext_modules=EXTENSIONS,
          cmdclass={"build": EmulatedBuild, "build_ext": EmulatedBuildExt} if EMULATED else {"build_ext": BuildExt})
