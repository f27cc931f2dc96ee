"""The build: all of it is in pyproject.toml, but for one switch of the environment.

    DSTOK_EMULATE=avx512 pip install .

compiles the core's code for AVX-512 and AVX2 against an emulation of these instructions (dstok/core/_emulated.h), so
that tests can run it on any processor: tests/emulate does. Slow, and for nothing else. Such a build has a folder of its
own, so that neither kind takes the other's compiled files for its own.
"""

import os

from setuptools import setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import OptionError

EMULATED = os.environ.get("DSTOK_EMULATE", "")
if EMULATED not in ("", "avx512"):
    raise OptionError(f"expected DSTOK_EMULATE to be avx512 or not set, found {EMULATED!r}")


class Build(build):
    """Builds in build/emulated."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.build_base = os.path.join(self.build_base, "emulated")


class BuildExt(build_ext):
    """Tells the compiler."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.define = [*(self.define or []), ("DSTOK_EMULATE_AVX512", "1")]

    def run(self) -> None:
        if self.inplace or self.editable_mode:
            raise OptionError("DSTOK_EMULATE: expected an installation of its own, found one in place (--editable)")
        super().run()


setup(cmdclass={"build": Build, "build_ext": BuildExt} if EMULATED else {})
