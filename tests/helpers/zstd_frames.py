"""Data packed as zstd, by Python's own module (3.14 and later) or by the package zstandard."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["zstd_frame", "zstd_zeros"]


def zstd_frame(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return bytes(zstd.compress(data))
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def zstd_zeros(megabytes: int) -> bytes:
    """So many megabytes of zeros as one frame."""
    compressor = _compressor()
    zeros = bytes(1 << 20)
    return b"".join([*(compressor.compress(zeros) for _ in range(megabytes)), compressor.flush()])


def _compressor() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdCompressor()
    import zstandard

    return zstandard.ZstdCompressor().compressobj()
