"""The core's sources, which a wheel does not hold: the checkout has them, and what Cython made of them."""

from __future__ import annotations

from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "dstok" / "core"
