"""The texts of each check, made from a guide, in the order in which faults show soonest; texts of files and data sets.

In: a guide; a text for its neighbours; paths, or a data set. Out: iterators of texts. Invariant: the same guide gives
the same texts in the same order. Of files nothing is changed or left out; one that is not there is a `CandidateError`.
Source: T. S. Chow, "Testing software design modeled by finite-state machines", 1978: two splitters whose automata
differ, and have no more states than this one, disagree on some text of `class_cover`, |states| * |classes| ** k texts
for a large enough k. Whether the ids show it depends on the characters that stand for the classes: automaton_guide.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain, islice, product

from dstok._util.arguments import explained
from dstok._util.imports import needed
from dstok.conformance.automaton_guide import SURROGATES, VERSIONS, Guide, Word, moved
from dstok.conformance.engines import CandidateError, library_faults
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
    return (path + word for path in guide.access.values() for word in product(guide.classes, repeat=k))


@explained
def cover_size(guide: Guide, k: int) -> int:
    """The number of texts of `class_cover`."""
    return len(guide.access) * int(len(guide.classes) ** k)


DOCUMENT = 20_000  # characters of a file that are one text


def documents(files: Iterable[str]) -> Iterator[str]:
    """The texts of files, in parts of whole lines. Raises `CandidateError`, for a missing one at once."""
    def parts(path: str, size: int = DOCUMENT) -> Iterator[str]:
        with library_faults(path), open(path, encoding="utf-8", newline="") as file:
            while size and (lines := file.readlines(size)):
                yield "".join(lines)

    paths = list(files)
    for path in paths:
        next(parts(path, 0), None)  # opens it
    return chain.from_iterable(map(parts, paths))


def rows(spec: str) -> Iterator[str]:
    """The texts of a data set, a row each; `spec` is NAME[:CONFIGURATION[:SPLIT[:COLUMN]]], by default `test`, `text`.

    The name is one that `datasets.load_dataset` takes: of the hub, or a folder of files. Rows are streamed. Raises
    `CandidateError` if the data set, the split or the column is missing, and `FileError` for the package.
    """
    name, configuration, split, column = [*spec.split(":"), "", "", ""][:4]
    load_dataset = needed("datasets").load_dataset
    with library_faults(spec):  # of many kinds: no network, no such name, no such split
        data = load_dataset(name, configuration or None, split=split or "test", streaming=True)

    def texts(column: str) -> Iterator[str]:
        for number, row in enumerate(data):
            if not isinstance(text := row.get(column), str):
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
    "\u2581a", "\u0120a", "<0x41>", "##a", "S'\u017f'SA",
)
JOINED = 256  # code points in a text of `joined_code_points`
CUT = 8  # parts of added tokens: the number of places to cut at
LATIN, IDEOGRAPHS = "abcdefghijklmnopqrstuvwxyz", "的一是不了人我在有他这为之大来"


def contexts(guide: Guide) -> list[tuple[str, str]]:
    """(before, after) of a character: alone, in each state of the automaton, before and between each class."""
    reps = guide.representatives
    pairs = [*((guide.spell_plainly(path), "") for path in guide.access.values()),
             *(("", char) for char in reps), *((char, char) for char in reps)]
    return list(dict.fromkeys(pairs))


def code_points(guide: Guide, points: Iterable[int] | None = None) -> Iterator[str]:
    """Each of `points` (default: where sets may be wrong) in each of `contexts`."""
    chars = list(map(chr, guide.interesting if points is None else points))
    return (before + char + after for before, after in contexts(guide) for char in chars)


def joined_code_points(guide: Guide) -> Iterator[str]:
    """All 1,112,064 code points in each context, many in one text."""
    return ("".join(f"{before}{chr(code)}{after}" for code in range(start, start + JOINED))
            for before, after in contexts(guide) for start in range(0, 0x110000, JOINED) if start not in SURROGATES)


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
    words = guide.token_texts.values()
    cut = [text for text in words if len(text) > 1 and len(guide.model.spans(text)) > 1]
    yield from (*cut, *words)
    for text in cut:
        yield from (f"a{text}", f" {text} ")
    if any("(?i:" in split.pattern for split in guide.program.splits):  # to which U+017F is an s: not the word's
        yield from (f"'\u017f{text}" for text in words if text[:1].isalpha())
    for text in words:  # of several classes: tries the texts that may lie before it
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
                    with suppress(UnicodeDecodeError):
                        yield b"".join(guide.model.token(part) for part in triple if part is not None).decode()
            latest_left[left], latest_right[right] = right, left


def long_pieces(guide: Guide) -> Iterator[str]:
    """Runs of single characters and of words, of every length up to 140 and some beyond, in classes that make runs."""
    chance = random.Random(2)
    words = [text for text in guide.token_texts.values() if 2 <= len(text) <= 8]
    for length in (*range(1, 141), 200, 255, 256, 257, 300, 511, 512, 513, 1000, 1024, 1025, 2000, 4096, 5000):
        for number in guide.classes:
            yield guide.representatives[number] * length
            yield guide.spell_at_random([number] * length, chance)
        yield from ((word * length)[:length] for word in chance.sample(words, min(4, len(words))))
        letters = "".join(chance.choice(LATIN) for _ in range(length))
        yield from (letters, f" {letters} b", "".join(map(str, range(length)))[:length])


def odd_texts(guide: Guide) -> Iterator[str]:
    """Texts that normalizers, C strings, other vocabularies and careless readers change."""
    return (text for odd in ODD for text in (odd, f"a{odd}", f"{odd}b", f" {odd} ", f"中{odd}\n"))


def added_tokens(guide: Guide, step: int = 1) -> Iterator[str]:
    """Each added token, or one in `step`, alone, among neighbours, twice, in parts, and broken."""
    for content in [*guide.tokenizer.added_tokens][::step]:
        yield from (content, f"a{content}b", f" {content} ", f"\n{content}\n", content * 2, f"中{content}中",
                    f"{content} \t {content}",
                    content[:-1], content[1:], content[:-1] + content, content.swapcase(), content.replace("｜", "|"))
        yield from (f"{content[:at]} {content[at:]}" for at in range(1, len(content), max(1, len(content) // CUT)))


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
    chance, encode = random.Random(12), guide.tokenizer.encode
    for whole in islice(random_texts(guide, 12), 3000):
        at = chance.randrange(len(whole) + 1)
        left, right = whole[:at], whole[at:]
        if encode(left) + encode(right) == encode(whole):
            yield from (whole, left, right)


def runs(guide: Guide, size: int) -> Iterator[tuple[str, str]]:
    """(name, text) of texts of `size` code points that make bad algorithms slow: runs, and pairs in turn."""
    for char in dict.fromkeys([*"a 1\n.", "中", "é", *guide.representatives]):
        yield f"a run of {char!r}", char * size
    yield "random letters", "".join(random.Random(4).choices(LATIN, k=size))
    yield "random ideographs", "".join(random.Random(5).choices(IDEOGRAPHS, k=size))
    for one, two in product(" \n", "a1.é中"):
        yield f"{one + two!r} in turn", ((one + two) * size)[:size]
    yield "blanks before a letter", " " * (size - 1) + "a"
    yield "line feeds and blanks", ("\n " * size)[:size]


def random_texts(guide: Guide, seed: int = 0) -> Iterator[str]:
    """Endless texts: fragments of all kinds, joined."""
    chance = random.Random(seed)
    contents, words = list(guide.tokenizer.added_tokens), list(guide.token_texts.values())
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


def long_texts(guide: Guide) -> Iterator[str]:
    """Random texts joined to long ones, which cross the edges of blocks and buffers."""
    source = random_texts(guide, 11)
    for size in (4096, 8192, 16384, 65536, 100_000, 262_144):
        parts, held = list[str](), 0
        while held < size:
            parts.append(next(source))
            held += len(parts[-1])
        yield "".join(parts)


@lru_cache(maxsize=1)
def _pairs(guide: Guide) -> list[str]:
    """Pairs of classes after each state of the automaton: the same for all texts, and slow to make."""
    return list(cover(guide, 2))


def neighbours(guide: Guide, small: str) -> list[str]:
    """Texts like the small one, and some that distinguish hypotheses."""
    chance, pairs, texts, head = random.Random(small), _pairs(guide), dict[str, None](), small[:40]
    for at, char in enumerate(head):  # exchanged for others of its class and of all classes, left out, doubled
        own = guide.members[guide.alphabet.class_of(char)]
        for other in [*chance.sample(own, min(14, len(own))), *guide.representatives, "", char * 2]:
            texts[head[:at] + other + head[at + 1 :]] = None
    for other in guide.representatives:
        texts |= dict.fromkeys((other + head, head + other, other + head + other))
    texts |= dict.fromkeys(chance.sample(pairs, min(3000, len(pairs))))
    for special in (False, True):
        texts |= dict.fromkeys(token.content for token in guide.model.added_tokens[:400] if token.special == special)
    for version in VERSIONS:
        chars = list(moved(version, guide.program.unicode_version))
        for char in chance.sample(chars, min(30, len(chars))):
            texts |= {small[:at] + char + small[at + 1 :]: None for at in range(min(3, len(small)))}
            texts |= dict.fromkeys((f" {char}", f"{char}a", f"a{char}", f"!{char}", char + char))
    return list(texts)
