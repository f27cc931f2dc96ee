"""vLLM's plug-in: its tokenizers run on dstok.

In: the environment: `VLLM_PLUGINS=dstok vllm serve ...`. Out: accelerated tokenizers in every process of vLLM that
loads one, with any `--tokenizer-mode`.
Invariant: nothing happens unless `VLLM_PLUGINS` names dstok; an installed dstok alone changes nothing. The objects are
still vLLM's, from transformers, with their backend: vLLM's detokenizer streams from the backend, and its grammars read
it. The detokenizer makes a stream for each request and calls it for each id (`OutputProcessor.process_outputs`,
`FastIncrementalDetokenizer`), so there is no call for a batch that `BatchDecodeStream` could take. It takes the
stream's class from `tokenizers.decoders`, where the plug-in puts `PromptStream`.
Source: vLLM 0.33.0, its plugins and tokenizers; tests/integrations/test_servers.py makes its calls.
"""

from __future__ import annotations

import os


def register() -> None:
    """vLLM's entry point for general plug-ins. vLLM calls it in each process, perhaps several times."""
    if "dstok" in os.environ.get("VLLM_PLUGINS", "").split(","):
        from dstok.integrations.transformers import install

        install()
        from tokenizers import decoders

        from dstok.integrations.prompt_stream import PromptStream

        vars(decoders)["DecodeStream"] = PromptStream
