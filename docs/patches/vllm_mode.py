"""`vllm serve MODEL --tokenizer-mode dstok`: a mode that runs on dstok, or refuses the model. For vLLM 0.33.0.

dstok's own plug-in (`VLLM_PLUGINS=dstok`) accelerates the tokenizers of every mode, and leaves those as they are that
dstok cannot do. This mode is for a server that must not fall back. Put the file into a package of yours, with the entry
point

    [project.entry-points."vllm.general_plugins"]
    dstok-mode = "your_package.vllm_mode:register"
"""

from typing import Any

from vllm.tokenizers.hf import CachedHfTokenizer
from vllm.tokenizers.registry import TokenizerRegistry

from dstok.errors import UnsupportedError
from dstok.integrations.prompt_stream import PromptStream
from dstok.integrations.transformers import install


class DstokTokenizer(CachedHfTokenizer):
    """The tokenizers of the mode "hf", accelerated."""

    @classmethod
    def from_pretrained(cls, path_or_repo_id: Any, *args: Any, **kwargs: Any) -> Any:
        install()  # what vLLM loads below is accelerated before vLLM makes a class of its own for it
        tokenizer = super().from_pretrained(path_or_repo_id, *args, **kwargs)
        if not hasattr(tokenizer, "dstok"):
            raise UnsupportedError(f"a tokenizer of {path_or_repo_id} with --tokenizer-mode dstok: use the mode auto")
        return tokenizer


def register() -> None:
    from tokenizers import decoders

    vars(decoders)["DecodeStream"] = PromptStream  # of the streams that vLLM makes for each request
    TokenizerRegistry.register("dstok", __name__, "DstokTokenizer")
