"""The compiled core: everything that runs per byte or per piece. It knows no files and no models.

Its tables, wherever they come from, are read as this processor reads numbers, and are little-endian: it does not run
anywhere else.
"""

import sys

if sys.byteorder != "little":
    raise ImportError(f"expected a little-endian processor, found a {sys.byteorder}-endian one: all numbers in dstok's "
                      "tables are little-endian", name=__name__)
