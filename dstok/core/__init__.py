"""The compiled core: everything that runs per byte or per piece. It knows no files and no models.

Its tables, wherever they come from, are read as this processor reads numbers, and are little-endian: it does not run
anywhere else. Nor does it run where addresses have 32 bits: its tables and counts are made for more.
"""

import sys

if sys.byteorder != "little":
    raise ImportError(f"expected a little-endian processor, found a {sys.byteorder}-endian one: all numbers in dstok's "
                      "tables are little-endian", name=__name__)
if sys.maxsize <= 1 << 32:
    raise ImportError(f"expected a Python of 64 bits, found one of {sys.maxsize.bit_length() + 1}: dstok's tables and "
                      "counts need addresses of more than 32 bits", name=__name__)

import dstok.core.kernels.levels  # noqa: F401 (it hands cpu/level.pyx the levels to choose from)
