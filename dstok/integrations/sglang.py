"""SGLang's plug-in: its tokenizers run on dstok.

In: the environment: `SGLANG_PLUGINS=dstok sglang serve ...`. Out: accelerated tokenizers in every process of SGLang
that loads one, with `--tokenizer-backend huggingface`.
Invariant: nothing happens unless `SGLANG_PLUGINS` names dstok. The objects are still SGLang's, from transformers, with
their backend. SGLang streams by windows (`DetokenizerManager._decode_batch_token_id_output`): it decodes the last ids
of all requests by one `batch_decode`, which is one call of dstok. `BatchDecodeStream` has no place there: while a
character is not whole, SGLang sends the text before its last word, and decodes the window again.
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
