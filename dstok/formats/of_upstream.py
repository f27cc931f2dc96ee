"""A model as another version of upstream reads its file.

In: `ModelDescription`, and a version's name. Out: the description with that version's Unicode tables.
Invariant: the result is equal to the description that a reader makes of the model's tokenizer.json for that version.
"""

from __future__ import annotations

from dataclasses import replace

from dstok.errors import UnsupportedError
from dstok.formats.components import DIGITS_PATTERN, WORDS_PATTERN, old_punctuation
from dstok.formats.description import ModelDescription, NormalizerStep
from dstok.formats.upstream import Upstream, upstream_version
from dstok.regex.ast import Split
from dstok.unicode.normalization import FORMS, OLDEST

__all__ = ["of_upstream"]


def of_upstream(model: ModelDescription, name: str) -> ModelDescription:
    """The model with the tables of the version called `name`. Raises `UnsupportedError`.

    >>> from array import array
    >>> model = ModelDescription((), (), frozenset(), array("I"), (), False, normalizer=(NormalizerStep("NFC"),))
    >>> newer = of_upstream(model, "tokenizers-1.0.0rc3")
    >>> newer.unicode_version, newer.normalizer[0].unicode_version
    ('17.0', '17.0')
    >>> of_upstream(newer, "tokenizers-0.23.3") == model
    True
    """
    version = upstream_version(name)
    return replace(model, unicode_version=version.patterns,
                   splits=tuple(_split(split, version) for split in model.splits),
                   normalizer=tuple(_step(step, version) for step in model.normalizer))


def _split(split: Split, version: Upstream) -> Split:
    if split.unicode_version is None and not (version.punctuation and split.pattern == old_punctuation()):
        return split
    versions = {DIGITS_PATTERN: version.digits, WORDS_PATTERN: version.words}
    if split.pattern not in versions:
        raise UnsupportedError(f"a step that {version.name} reads by another pattern: read the tokenizer.json "
                               "with this upstream", split.where)
    return replace(split, unicode_version=versions[split.pattern])


def _step(step: NormalizerStep, version: Upstream) -> NormalizerStep:
    if step.is_regex and not version.replaces:
        raise UnsupportedError(f"a pattern in Replace as {version.name} reads it", step.where)
    forms = None if version.forms == OLDEST else version.forms
    return replace(step, unicode_version=forms) if step.type in FORMS else step
