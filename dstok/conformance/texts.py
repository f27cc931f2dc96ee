"""The texts of each check, made from a guide, in the order in which faults show soonest; texts of files and data sets.

In: a guide; a text for its neighbours; paths, or a data set's name, configuration, split and column. Out: iterators of
texts. Invariant: the same guide gives the same texts in the same order; an iterator that ends has given everything that
its docstring promises. Of files nothing is changed or left out; a source that is not there is a `CandidateError`.

`class_cover` takes every path of length k through a tokenizer's automaton: for each state a shortest way into it, then
every sequence of k equivalence classes, then the end of the text: |states| * |classes| ** k texts. Two splitters whose
automata differ, and have no more states than this one, disagree on some text of a large enough k (the W-method of Chow
and Vasilevskii: the cover of the states, then all words of k). Whether the ids show the disagreement depends on the
characters that stand for the classes: see automaton_guide.py.
Source: T. S. Chow, "Testing software design modeled by finite-state machines", 1978.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from itertools import islice, product

from dstok._util.arguments import explained
from dstok._util.files import reason
from dstok._util.objects import lazy
from dstok.conformance.automaton_guide import SURROGATES, Guide, Word
from dstok.conformance.engines import CandidateError
from dstok.conformance.unicode_changes import VERSIONS, moved
from dstok.errors import ArgumentError
from dstok.tokenizer import Tokenizer


@explained
def class_cover(tokenizer: Tokenizer | Guide, k: int) -> Iterator[str]:
    r"""The texts that take every path of `k` classes from every state of the tokenizer's automaton.

    Raises `ArgumentError` if k is negative.

    >>> import dstok
    >>> texts = list(class_cover(dstok.load("deepseek-v3"), 1))
    >>> len(texts), texts[:3]
    (280, ['\x00', '\t', '\n'])
    """
    guide = tokenizer if isinstance(tokenizer, Guide) else Guide(tokenizer)
    return map(guide.spell, cover_words(guide, k))


def cover_words(guide: Guide, k: int) -> Iterator[Word]:
    """The same as words of classes."""
    if k < 0:
        raise ArgumentError(f"expected k of at least 0, found {k}", "k")
    for way in guide.access.values():
        for word in product(guide.classes, repeat=k):
            yield way + word


@explained
def cover_size(guide: Guide, k: int) -> int:
    """The number of texts of `class_cover`."""
    size: int = len(guide.access) * len(guide.classes) ** k
    return size


DOCUMENT = 20_000  # characters of a file that are one text


def documents(files: Iterable[str]) -> Iterator[str]:
    """The texts of files, in parts of whole lines. Raises `CandidateError` for an unreadable file."""
    for path in files:
        try:
            with open(os.fspath(path), encoding="utf-8", newline="") as file:
                while lines := file.readlines(DOCUMENT):
                    yield "".join(lines)
        except (OSError, UnicodeDecodeError) as error:
            raise CandidateError(f"{path}: {reason(error)}") from error


def check_files(files: Iterable[str]) -> None:
    """Reports a missing file at once, not when its turn comes."""
    for path in files:
        try:
            open(path, "rb").close()
        except OSError as error:
            raise CandidateError(f"{path}: {reason(error)}") from error


def rows(spec: str) -> Iterator[str]:
    """The texts of a data set, a row each; `spec` is NAME[:CONFIGURATION[:SPLIT[:COLUMN]]], by default `test`, `text`.

    The name is one that `datasets.load_dataset` takes: of the hub, or a folder of files. Rows are streamed. Raises
    `CandidateError` if the package, the data set, the split or the column is missing.
    """
    name, configuration, split, column = [*spec.split(":"), "", "", ""][:4]
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise CandidateError(f"datasets is not installed here: pip install 'dstok[corpus]' ({error})") from error
    try:
        data = load_dataset(name, configuration or None, split=split or "test", streaming=True)
    except Exception as error:  # many kinds: no network, no such name, no such split
        raise CandidateError(f"{spec}: {type(error).__name__}: {str(error)[:200]}") from error

    def texts(column: str) -> Iterator[str]:
        for number, row in enumerate(data):
            text = row.get(column)
            if not isinstance(text, str):
                raise CandidateError(f"{spec}: expected a text in the column {column!r} of row {number}, "
                                     f"found the columns {', '.join(map(repr, row))}")
            yield text

    return texts(column or "text")


SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2002\u2003\u2007\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_SPACES = "\u180e\u200b\u200c\u200d\u2060\ufeff\x1c\x1f\x00\x7f\x80"
ODD = (
    "", "e\u0301", "\u1e9b\u0323", "\ufb01x", "\u212b", "\uff21\uff11", "\u3099\u304b\u3099", "\ufeffa", "a\ufeff",
    "a\x00b", "\x00", "a\r\nb", "a\rb", "A", "\u0130i", "\xdf", "  a", "a  ", "\ta ", " ", "\u200d", "\xad-",
    "\u202ea", "\ufffd", "\uffff", "\U0010ffff", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "a\u0345",
    "\u1100\u1161", "don't I'LL", "1,234.5", "\u0661\u0662", "\\n", "<|endoftext|>", "<s>", "</s>", "<unk>", "[MASK]",
    "\u2581a", "\u0120a", "<0x41>", "##a",
    "S'\u017f'SA",
)
JOINED = 256  # code points in a text of `joined_code_points`
CUT = 8  # parts of added tokens: the number of places to cut at


def contexts(guide: Guide) -> list[tuple[str, str]]:
    """(before, after) of a character: alone, in each state of the automaton, before and between each class."""
    ways = [guide.spell_plainly(way) for way in guide.access.values()]
    reps = guide.representatives
    pairs = [*((way, "") for way in ways), *(("", char) for char in reps), *((char, char) for char in reps)]
    return list(dict.fromkeys(pairs))


def code_points(guide: Guide, points: Iterable[int] | None = None) -> Iterator[str]:
    """Each of `points` (default: where sets may be wrong) in each of `contexts`."""
    chars = list(map(chr, guide.interesting if points is None else points))
    for before, after in contexts(guide):
        for char in chars:
            yield before + char + after


def joined_code_points(guide: Guide) -> Iterator[str]:
    """All 1,112,064 code points in each context, many in one text."""
    for before, after in contexts(guide):
        for start in range(0, 0x110000, JOINED):
            if start not in SURROGATES:
                yield "".join(f"{before}{chr(code)}{after}" for code in range(start, start + JOINED))


def cover(guide: Guide, k: int) -> Iterator[str]:
    """The class cover of k; up to k = 3 also with other members of the classes, in two ways."""
    chance = random.Random(k)
    for word in cover_words(guide, k):
        yield guide.spell(word)
        if k <= 3:
            yield guide.spell_backward(word)
            yield guide.spell_at_random(word, chance)


def vocabulary(guide: Guide) -> Iterator[str]:
    """Each token of the vocabulary that is text, alone and after others.

    Those that the splits cut come first, since they show a wrong cut.
    """
    cut = [text for text in guide.token_texts.values() if len(text) > 1 and len(guide.model.spans(text)) > 1]
    yield from cut
    yield from guide.token_texts.values()
    for text in cut:
        yield f"a{text}"
        yield f" {text} "
    if any("(?i:" in split.pattern for split in guide.program.splits):  # to which U+017F is an s: not the word's
        yield from (f"'\u017f{text}" for text in guide.token_texts.values() if text[:1].isalpha())
    for text in guide.token_texts.values():  # of several classes: tries the texts that may lie before it
        if len(text) > 1 and text[0] != " " and len(set(guide.classes_of(text))) > 1:
            yield from (char + text for char in guide.representatives)


def merge_conflicts(guide: Guide) -> Iterator[str]:
    """For each merge (x, y) of the rank r: x y z, where (y, z) is the merge next above or below r, and w x y alike.

    If two merges are swapped that lie between them in rank, one of these texts changes. Merges whose product is no text
    come first: they join bytes of two characters, which an engine that begins with whole characters takes otherwise.
    """
    texts, ranked = guide.token_texts, guide.model.merges.tolist()
    for torn, order in product((True, False), (1, -1)):  # upward, for lower ranks, then downward
        latest_left: dict[int, int] = {}  # token -> the other half of the last merge so far that begins with it
        latest_right: dict[int, int] = {}
        for left, right, made in ranked[::order]:
            for triple in ((left, right, latest_left.get(right)), (latest_right.get(left), left, right)):
                if None not in triple and (made not in texts) == torn:
                    text = b"".join(guide.model.token(part) for part in triple if part is not None)
                    try:
                        yield text.decode()
                    except UnicodeDecodeError:
                        continue
            latest_left[left], latest_right[right] = right, left


def long_pieces(guide: Guide) -> Iterator[str]:
    """Runs of single characters and of words, of every length up to 140 and some beyond, in classes that make runs."""
    chance = random.Random(2)
    words = [text for text in guide.token_texts.values() if 2 <= len(text) <= 8]
    lengths = [*range(1, 141), 200, 255, 256, 257, 300, 511, 512, 513, 1000, 1024, 1025, 2000, 4096, 5000]
    for length in lengths:
        for number in guide.classes:
            yield guide.representatives[number] * length
            yield guide.spell_at_random([number] * length, chance)
        for word in chance.sample(words, min(4, len(words))):
            yield (word * length)[:length]
        letters = "".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(length))
        yield from (letters, f" {letters} b", "".join(map(str, range(length)))[:length])


def odd_texts(guide: Guide) -> Iterator[str]:
    """Texts that normalizers, C strings, other vocabularies and careless readers change."""
    for text in ODD:
        yield from (text, f"a{text}", f"{text}b", f" {text} ", f"中{text}\n")


def added_tokens(guide: Guide, step: int = 1) -> Iterator[str]:
    """Each added token, or one in `step`, alone, among neighbours, twice, in parts, and broken."""
    for content in [*guide.tokenizer.added_tokens][::step]:
        yield from (content, f"a{content}b", f" {content} ", f"\n{content}\n", content * 2, f"中{content}中",
                    f"{content} \t {content}",
                    content[:-1], content[1:], content[:-1] + content, content.swapcase(), content.replace("｜", "|"))
        for at in range(1, len(content), max(1, len(content) // CUT)):
            yield f"{content[:at]} {content[at:]}"


def alike(guide: Guide) -> Iterator[str]:
    """Texts of words of each length up to 70 that nearly are others: twice, with another end, with a letter less.

    An engine that remembers pieces, or merges equal ones once, must not take one of them for another.
    """
    chance = random.Random(7)
    letters = "".join(text for text in guide.token_texts.values() if text.isalpha()) or "ab"
    for length, separator in product(range(1, 71), (" ", "\n")):
        starts = [chance.randrange(max(len(letters) - length, 1)) for _ in range(24)]
        words = [letters[at : at + length] for at in starts]
        others = [word[:-1] + chance.choice(letters) for word in words]
        yield separator.join([*words, *others, *words, *(word[:-1] for word in words), *(word[1:] for word in words)])


def longer(guide: Guide, text: str) -> Iterator[str]:
    """Texts of about the length of a text, and up to twice as long: of each class, of words, and of the text itself."""
    for char in guide.representatives:
        yield from (char + text, text + char)
        yield from (char * size for size in (len(text) // 2, len(text), len(text) + 1, 2 * len(text)))
    words = "".join(islice((f" {word}" for word in guide.token_texts.values() if word.isalpha()), len(text)))
    yield from (text * 2, text[::-1] + text, *(words[:size] for size in (len(text), len(text) + 1, 2 * len(text))))


def concatenations(guide: Guide) -> Iterator[str]:
    """Random texts, each with its two parts at a safe cut: a place where the parts' ids together are the whole's."""
    chance = random.Random(12)
    encode = guide.tokenizer.encode
    for whole in islice(random_texts(guide, 12), 3000):
        at = chance.randrange(len(whole) + 1)
        left, right = whole[:at], whole[at:]
        if encode(left) + encode(right) == encode(whole):
            yield from (whole, left, right)


def runs(guide: Guide, size: int) -> Iterator[tuple[str, str]]:
    """(name, text) of texts of `size` code points that make bad algorithms slow: runs, and pairs in turn."""
    reps = guide.representatives
    for char in dict.fromkeys([*"a 1\n.", "中", "é", *reps]):
        yield f"a run of {char!r}", char * size
    yield "random letters", "".join(random.Random(4).choices("abcdefghijklmnopqrstuvwxyz", k=size))
    yield "random ideographs", "".join(random.Random(5).choices("的一是不了人我在有他这为之大来", k=size))
    for one, two in product(" \n", dict.fromkeys("a1.é中")):
        yield f"{one + two!r} in turn", ((one + two) * size)[:size]
    yield "blanks before a letter", " " * (size - 1) + "a"
    yield "line feeds and blanks", ("\n " * size)[:size]


def random_texts(guide: Guide, seed: int = 0) -> Iterator[str]:
    """Endless texts: fragments of all kinds, joined."""
    chance = random.Random(seed)
    contents = list(guide.tokenizer.added_tokens)
    words = list(guide.token_texts.values())
    while True:
        yield "".join(_fragments(guide, chance, words, contents))


def _fragments(guide: Guide, chance: random.Random, words: list[str], contents: list[str]) -> Iterator[str]:
    """Up to eight: classes at random, runs, white space, digits, words, added tokens and their parts."""
    for _ in range(chance.randint(1, 8)):
        kind = chance.randrange(8)
        if kind < 2:
            yield guide.spell_at_random(chance.choices(guide.classes, k=chance.randint(1, 5)), chance)
        elif kind == 2:
            yield chance.choice(chance.choice(guide.members)) * chance.randint(1, 80)
        elif kind == 3:
            yield "".join(chance.choices(SPACES + NOT_SPACES + "   \n\na", k=chance.randint(1, 8)))
        elif kind == 4:
            yield "".join(chance.choices("0123456789²½٣〇Ⅷ", k=chance.randint(1, 9)))
        elif kind == 5 and contents:
            content = chance.choice(contents)
            start = chance.choice((0, 0, 0, chance.randrange(len(content))))
            yield content[start : chance.choice((None, None, chance.randint(1, len(content))))]
        else:
            yield chance.choice(words)


class Neighbourhood:
    """The texts near a text, for one guide."""

    def __init__(self, guide: Guide) -> None:
        self.guide = guide

    def of(self, small: str) -> list[str]:
        """Texts like the small one, and some that distinguish hypotheses."""
        guide, chance = self.guide, random.Random(small)
        texts = {text: None for text in _variants(guide, small[:40], chance)}
        texts |= dict.fromkeys(chance.sample(self._pairs, min(3000, len(self._pairs))))
        added = guide.model.added_tokens
        for special in (False, True):
            texts |= dict.fromkeys(token.content for token in added[:400] if token.special == special)
        for version in VERSIONS:
            chars = list(moved(version, guide.program.unicode_version))
            for char in chance.sample(chars, min(30, len(chars))):
                texts |= {small[:at] + char + small[at + 1 :]: None for at in range(min(3, len(small)))}
                texts |= dict.fromkeys((f" {char}", f"{char}a", f"a{char}", f"!{char}", char + char))
        return list(texts)

    @lazy
    def _pairs(self) -> list[str]:
        """Pairs of classes after each state of the automaton: the same for all texts, and slow to make."""
        return list(cover(self.guide, 2))


def _variants(guide: Guide, text: str, chance: random.Random) -> Iterator[str]:
    """Each character exchanged for others of its class and of all classes, left out, doubled; some around."""
    for at, char in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        own = guide.members[guide.alphabet.class_of(char)]
        for other in [*chance.sample(own, min(14, len(own))), *guide.representatives, "", char * 2]:
            yield before + other + after
    for other in guide.representatives:
        yield other + text
        yield text + other
        yield other + text + other
