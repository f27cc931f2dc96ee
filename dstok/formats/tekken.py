r"""tekken.json, the tokenizer file of Mistral's models -> `ModelDescription`, by way of tiktoken's ranks.

In: the root of a tekken.json. Out: a description.
Invariant: with `special="none"` the ids are those of mistral-common's own tokenizer, which finds no special token
in a text. A file that mistral-common does not load is refused, with its JSON path. But the settings of images, audio
and requests in it, which change no id, are not read.
Source: mistral-common 1.13.1; tests/formats/test_tekken.py compares with it.

Rules that the file does not state: the special tokens have the first ids, the id of any other token is its rank plus
their number. `default_vocab_size` counts both kinds. A version up to v7 may list no special tokens: `_SPECIAL_TOKENS`
are meant. Where fewer are listed than `default_num_special_tokens` says, `<SPECIAL_20>` and so on follow, named by
their ids. `<s>` and `</s>` begin and end a text, `<pad>` fills a batch up.
"""

from __future__ import annotations

from base64 import b64decode

from dstok._util.json_value import Value, shown
from dstok.core.bpe.tables import MAX_IDS
from dstok.formats.description import ModelDescription, TokenizerConfig
from dstok.formats.tiktoken import describe_tiktoken

VERSIONS = ("v1", "v2", "v3", "v7", "v11", "v13", "v15")
_ENTRY = frozenset(["rank", "token_bytes", "token_str"])
_SPECIAL_TOKENS = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]")


def describe_tekken(file: Value) -> ModelDescription:
    """The model of a tekken.json. Raises `TokenizerFileError` and `UnsupportedError`."""
    config = file.need("config")
    special = _special_tokens(file, config)
    size = config.need("default_vocab_size").integer(MAX_IDS)
    vocab = file.need("vocab")
    entries = vocab.array()
    if not len(special) + 256 <= size <= len(special) + len(entries):
        config.need("default_vocab_size").wrong(f"{len(special) + 256} to {len(special) + len(entries)}, the number of "
                                                "special tokens and of all others")
    ranks: dict[bytes, int] = {}
    for rank, entry in enumerate(entries[: size - len(special)]):
        _check_rank(entry, rank)
        for key in sorted(_ENTRY ^ entry.object().keys()):
            entry.wrong(f"the keys {', '.join(sorted(_ENTRY))} and no others, of which {shown(key)} is "
                        f"{'missing' if key in _ENTRY else 'none'}")
        spelled = entry.need("token_bytes")
        try:
            token = b64decode(spelled.text(), validate=True)
        except ValueError:
            spelled.wrong("base64")
        if rank < 256 and token != bytes([rank]):
            spelled.wrong(f"the byte 0x{rank:02X} in base64")
        if token in ranks:
            spelled.wrong("a new token")
        ranks[token] = len(special) + rank
    model = describe_tiktoken(ranks, config.need("pattern").text(), special)
    (split,) = model.splits
    places = {"vocab": vocab.path, "merges": vocab.path, "added_tokens": "$.special_tokens"}
    ends = TokenizerConfig(special.get("<s>"), special.get("</s>"), special.get("<pad>"))
    return model._replace(splits=(split._replace(where="$.config.pattern"),), config=ends, places=places)


def _check_rank(entry: Value, rank: int) -> None:
    found = entry.need("rank")
    if type(found.value) is not int or found.value != rank:  # tiktoken takes no 7.0
        found.wrong(f"the rank {rank}")


def _special_tokens(file: Value, config: Value) -> dict[str, int]:
    """All special tokens with their ids."""
    version, listed = config.need("version"), file.get("special_tokens")
    if version.text() not in VERSIONS:
        version.unsupported(f"expected one of the versions {', '.join(VERSIONS)}, found {version.text()[:40]!r}")
    number = VERSIONS.index(version.text())
    if file.member("multimodal").value and number > VERSIONS.index("v11"):
        file.member("multimodal").wrong(f"no such settings in the version {version.text()}, which has 'image'")
    if file.get("model_settings_builder") and number < VERSIONS.index("v15"):
        file.member("model_settings_builder").wrong(f"no such settings in the version {version.text()}, before v15")
    if listed is None and number > VERSIONS.index("v7"):
        version.wrong("a version up to v7, where the file has no special_tokens")
    found = {name: number for number, name in enumerate(_SPECIAL_TOKENS)} if listed is None else {}
    for number, token in enumerate(listed.array() if listed is not None else ()):
        _check_rank(token, number)
        if found.setdefault(token.need("token_str").text(), number) != number:
            token.need("token_str").wrong("a token of its own")
    count = config.need("default_num_special_tokens").integer(MAX_IDS)
    if count < len(found):
        config.need("default_num_special_tokens").wrong(f"at least {len(found)}, the number of special tokens")
    for number in range(len(found), count):
        if found.setdefault(f"<SPECIAL_{number}>", number) != number:
            file.member("special_tokens").wrong(f"no token <SPECIAL_{number}>, which stands for the id {number}")
    return found
