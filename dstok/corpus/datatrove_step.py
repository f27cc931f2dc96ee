"""A step for datatrove's pipelines: documents -> `.ds` files, as datatrove's own `DocumentTokenizer` writes them.

In: documents from datatrove. Out: its files, with its shuffling, merging and resuming. Invariant: the files have the
bytes of datatrove's own step with the same tokenizer, if `special="all"`. Import the class from this module:
datatrove starts other processes, which cannot find classes of the main script.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    from datatrove.pipeline.tokens.tokenizer import DocumentTokenizer as _Stock
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile
    from datatrove.utils.batching import batched
except ModuleNotFoundError as error:
    if error.name != "tokenizers.processors":  # datatrove imports it; tokenizers 1.0.0rc3 does not have it
        raise
    raise ImportError("datatrove's steps need tokenizers 0.x, found one without processors: "
                      "`dstok corpus --format datatrove` writes the files without datatrove") from error

import dstok
from dstok._util.arguments import Special
from dstok.errors import ArgumentError

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer


class _Sized:
    """Answers datatrove's questions to its tokenizers."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.dstok = tokenizer

    def get_vocab_size(self) -> int:
        return self.dstok.vocab_size


class DocumentTokenizer(_Stock):  # type: ignore[misc]
    """datatrove's `DocumentTokenizer`, with the tokens of dstok.

    tokenizer_name_or_path: as in `dstok.load`. eos_token: the text of the added token that ends each document.
    special: which texts of added tokens are tokens, by default none, because a corpus is plain text. All else is as
    in datatrove's own, except that there are no loss masks. Raises `ArgumentError` for invalid arguments when the
    pipeline begins.
    """

    def __init__(
        self, output_folder: Any, tokenizer_name_or_path: str = "deepseek-v3", *, special: Special = "none",
        **keywords: Any,
    ) -> None:
        super().__init__(output_folder, tokenizer_name_or_path, **keywords)
        self.special = special
        if self.save_loss_metadata:
            raise ArgumentError("expected save_loss_metadata=False: dstok's step writes no loss masks",
                                "save_loss_metadata")

    @cached_property
    def tokenizer(self) -> _Sized:
        loaded = dstok.load(self.tokenizer_name_or_path)
        if self.eos_token is None:
            return _Sized(loaded)
        if self.eos_token not in loaded.special_tokens:
            raise ArgumentError(f"expected an added token of {self.tokenizer_name_or_path} as eos_token, found "
                                f"{self.eos_token!r}", "eos_token")
        return _Sized(loaded.replace(eos_id=loaded.special_tokens[self.eos_token]))

    def write_unshuffled(self, data: Any, filename: str) -> TokenizedFile:
        """Tokenize all documents into one file. datatrove then shuffles it, if asked to."""
        shuffles = self.shuffle_documents or self.shuffle_chunk_size
        file = TokenizedFile(
            self.local_working_dir if shuffles and self.local_working_dir else self.output_folder, filename,
            save_index=self.save_index or shuffles, upload_block_size=self.upload_block_size,
            tokenizer_name_or_path=self.tokenizer_name_or_path, save_final_metadata=self.save_final_metadata,
            token_size=self.token_size)
        for batch in batched(data, self.batch_size):
            with self.track_time(unit="batch"):
                ids, offsets = self.tokenizer.dstok.encode_batch_arrays(
                    [document.text for document in batch], special=self.special, add_eos=self.eos_token is not None)
                stored = ids if self.token_size == 4 else ids.astype(np.uint16)
                file.write_bytes(stored.tobytes(), offsets[1:].tolist())
                self.stat_update("tokens", value=len(ids))
        file.close()
        return file
