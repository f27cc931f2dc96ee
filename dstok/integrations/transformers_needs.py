"""The parts of `tokenizers` that `dstok.integrations.transformers` stands in for: 0.x has them, 1.0.0rc3 has not.

In: the installed `tokenizers`. Out: nothing, or an `ImportError` that names the version and what it lacks.
Invariant: an accelerated tokenizer gives the fields of its backend, so without these parts there is none.
Source: the Python surfaces of 0.23.3 and 1.0.0rc3; tests/upstream_1_0/test_integrations.py runs with the latter.
"""

from __future__ import annotations

from importlib.metadata import version

import tokenizers

__all__ = ["check_tokenizers"]

PARTS = ("decoders", "models", "normalizers", "pre_tokenizers", "processors")


def check_tokenizers() -> None:
    """Raises `ImportError` if the installed tokenizers has no components."""
    missing = [part for part in PARTS if not hasattr(tokenizers, part)]
    if missing:
        found = f"{version('tokenizers')} without {', '.join(missing)}"
        raise ImportError(f"dstok.integrations.transformers needs tokenizers 0.x, found {found}: "
                          "dstok.load(FILE) gives the ids without transformers")
