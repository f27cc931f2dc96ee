"""vLLM's plug-in: its tokenizers run on dstok.

In: the environment: `VLLM_PLUGINS=dstok vllm serve ...`. Out: tokenizers that are accelerated, in every process of vLLM
that loads one, whatever `--tokenizer-mode`.
Invariant: nothing happens unless `VLLM_PLUGINS` names dstok: to have dstok installed is not to ask for it. The objects
are vLLM's own, of transformers, with their backend: its detokenizer streams from that, its grammars read it.
Source: vLLM 0.33.0, its plugins and tokenizers; tests/integrations/test_servers.py makes its calls.
"""

from __future__ import annotations

import os

__all__ = ["register"]


def register() -> None:
    """vLLM's entry point for general plug-ins, which it calls in each process, perhaps several times."""
    if "dstok" in os.environ.get("VLLM_PLUGINS", "").split(","):
        from dstok.integrations.transformers import install

        install()
