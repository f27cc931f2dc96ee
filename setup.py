"""The build: the extension modules, how they are made, and one switch of the environment; all else is in
pyproject.toml.

Each .pyx file of the core is an extension module. Any of its headers may be part of any of them.

    DSTOK_EMULATE=avx512 pip install .

compiles the core's code for AVX-512 and AVX2 against an emulation of these instructions (dstok/core/_emulated.h), so
that tests can run it on any processor: tests/emulate does. Slow, and for nothing else. Such a build has a folder of its
own, so that neither kind takes the other's compiled files for its own.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import OptionError

ROOT = Path(__file__).resolve().parent
EMULATED = os.environ.get("DSTOK_EMULATE", "")
if EMULATED not in ("", "avx512"):
    raise OptionError(f"expected DSTOK_EMULATE to be avx512 or not set, found {EMULATED!r}")

EXTENSIONS = [
    Extension(f"dstok.core.{path.stem}", [f"dstok/core/{path.name}"],
              extra_compile_args=["-O1" if EMULATED else "-O3", "-g0"],  # emulated code is slow either way
              depends=sorted(f"dstok/core/{header.name}" for header in (ROOT / "dstok" / "core").glob("*.h")))
    for path in sorted((ROOT / "dstok" / "core").glob("*.pyx"))]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current(made: list[Path]) -> bool:
    """Are the C files newer than all they are made of? Cython's own files, which every build environment has anew,
    are of the version that pyproject.toml names."""
    sources = [path for pattern in ("*.pyx", "*.pxd") for path in (ROOT / "dstok" / "core").glob(pattern)]
    settings = [path for path in (ROOT / "pyproject.toml", ROOT / "setup.py") if path.exists()]
    newest = max(path.stat().st_mtime for path in [*sources, *settings])
    return all(path.exists() and path.stat().st_mtime > newest for path in made)


class BuildExt(build_ext):
    """All cores: Cython makes C in processes, since it does not bear threads; then the compiler runs in threads."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or cores()

    def build_extensions(self) -> None:
        made = [[str(Path(source).with_suffix(".c")) for source in extension.sources] for extension in self.extensions]
        if self.force or not current([ROOT / path for paths in made for path in paths]):
            cythonize(self.extensions, nthreads=self.parallel, force=self.force)
        for extension, sources in zip(self.extensions, made):
            extension.sources = sources
        super().build_extensions()


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
