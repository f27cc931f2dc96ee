"""The versions of upstream that dstok can be exact to, and the Unicode versions of the tables in each.

In: a name such as "tokenizers-0.21.1". Out: `Upstream`; a model as this version reads its file.
Invariant: the list has a version only if every code point was tested with its wheel, for each of the tables. Other
changes between versions, such as new fields of a tokenizer.json, are not followed, nor are the faults of 1.0.0rc3
(tests/upstream_1_0/test_faults.py): a file is read as the newest version reads it.
Source: the wheels; tests/formats/test_upstream_versions.py and tests/upstream_1_0 repeat this with those there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dstok.errors import UnsupportedError
from dstok.formats import NEWEST_UPSTREAM

if TYPE_CHECKING:
    from dstok.formats.description import ModelDescription

NEWEST = NEWEST_UPSTREAM
DIGITS_PATTERN = r"\p{N}"
PUNCTUATION_PATTERN = r"[\p{P}$+<=>\^`|~]"
WORDS_PATTERN = r"[\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+"


class Upstream(NamedTuple):
    """A version of upstream, with the Unicode versions of its tables.

    `patterns` is for Split and ByteLevel (Oniguruma's; 1.0 has scanners of its own), `digits` for Digits (the Rust
    compiler's), `words` for Whitespace (the crate regex's), `forms` for NFC, NFD, NFKC and NFKD,
    `punctuation` for Punctuation; "": a table of its own, about Unicode 8.0. `replaces`: does dstok know the dialect
    of a pattern in Replace? 1.0 reads it as fancy-regex does.
    """

    name: str
    patterns: str
    digits: str
    words: str
    forms: str = "9.0"
    punctuation: str = ""
    replaces: bool = True


_TABLES = {  # (patterns, digits, words): wheels
    ("14.0", "15.0", "15.0"): "0.13.3 0.15.0 0.15.1 0.15.2 0.19.0 0.19.1 0.20.0",
    ("14.0", "15.0", "16.0"): "0.20.1 0.20.2 0.20.3 0.21.0",
    ("14.0", "16.0", "16.0"): "0.21.1",
    ("16.0", "16.0", "16.0"): "0.21.2 0.21.4 0.22.0 0.22.1",
    ("16.0", "17.0", "16.0"): "0.22.2 0.23.1 0.23.2 0.23.3",
}
VERSIONS = {f"tokenizers-{number}": Upstream(f"tokenizers-{number}", *tables)
            for tables, numbers in _TABLES.items() for number in numbers.split()}
VERSIONS["tokenizers-1.0.0rc3"] = Upstream("tokenizers-1.0.0rc3", "17.0", "17.0", "17.0", "17.0", "17.0", False)


def upstream_version(name: str = NEWEST) -> Upstream:
    """The version called `name`. Raises `UnsupportedError`, with the list of known ones."""
    if name not in VERSIONS:
        raise UnsupportedError(f"expected an upstream version out of {', '.join(VERSIONS)}, found {name!r}")
    return VERSIONS[name]


def old_punctuation() -> str:
    """The class of upstream's Punctuation before 1.0."""
    from dstok.unicode.properties import decode_set, read_section  # few files need it

    spans = (sorted({*span}) for span in decode_set(read_section("punctuation")).ranges)
    return "[" + "".join("-".join(f"\\x{{{end:X}}}" for end in span) for span in spans) + "]"


def of_upstream(model: ModelDescription, name: str) -> ModelDescription:
    """The model with the Unicode tables of the version called `name`, as a reader makes it of the model's file for it.

    Raises `UnsupportedError`.
    """
    from dstok.unicode.normalization import FORMS, OLDEST

    version = upstream_version(name)
    splits, normalizer = list(model.splits), list(model.normalizer)
    by_pattern = {DIGITS_PATTERN: version.digits, WORDS_PATTERN: version.words}
    for i, split in enumerate(splits):
        if split.unicode_version is None and not (version.punctuation and split.pattern == old_punctuation()):
            continue
        if split.pattern not in by_pattern:
            raise UnsupportedError(f"a step that {version.name} reads by another pattern: read the tokenizer.json "
                                   "with this upstream", split.where)
        splits[i] = split._replace(unicode_version=by_pattern[split.pattern])
    for i, step in enumerate(normalizer):
        if step.is_regex and not version.replaces:
            raise UnsupportedError(f"a pattern in Replace as {version.name} reads it", step.where)
        if step.type in FORMS:
            normalizer[i] = step._replace(unicode_version=None if version.forms == OLDEST else version.forms)
    return model._replace(unicode_version=version.patterns, splits=tuple(splits), normalizer=tuple(normalizer))
