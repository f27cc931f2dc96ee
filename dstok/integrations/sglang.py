"""SGLang's plug-in: its tokenizers run on dstok.

In: the environment: `SGLANG_PLUGINS=dstok sglang serve ...`. Out: accelerated tokenizers in every process of SGLang
that loads one, with `--tokenizer-backend huggingface`.
Invariant: nothing happens unless `SGLANG_PLUGINS` names dstok. The objects are still SGLang's, from transformers, with
their backend.
Source: SGLang 0.5.23, its plugins; tests/integrations/test_servers.py makes its calls.
"""

from __future__ import annotations

import os

__all__ = ["register"]


def register() -> None:
    """SGLang's entry point for plug-ins. SGLang calls it in each process."""
    if "dstok" in [name.strip() for name in os.environ.get("SGLANG_PLUGINS", "").split(",")]:
        from dstok.integrations.transformers import install

        install()
