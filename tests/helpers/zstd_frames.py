"""Data packed as zstd, by Python's own module (3.14 and later) or by the package zstandard."""

from __future__ import annotations

import sys

__all__ = ["zstd_frame"]


def zstd_frame(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return bytes(zstd.compress(data))
    import zstandard

    return zstandard.ZstdCompressor().compress(data)
