r"""Models whose pattern is a family's with other sets, so that the mask kernel is asked to stand for it.

In: a random.Random. Out: a `Subject`: the steps of a family that the kernel has rules for (dstok/compiled/kernel_selection.py), in
which characters of one to four bytes have moved from class to class, or all classes hold a few characters each; with a
small vocabulary whose merges show where pieces end. The patterns are written out, and read by dstok and upstream alike: how they were made proves nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache

import tokenizers
from fuzz_subjects import Subject, ids_by, subject
from fuzz_texts import WIDTHS, Letters, letters_of
from small_models import Merge, model_json
from upstream import families, model_splits

import dstok
from dstok.compiled.kernel_selection import NONE, find_kernel
from dstok.errors import DstokError
from dstok.regex.ast import Alternate, Chars, Concat, Look, Node, Repeat, character_sets
from dstok.regex.cascade import Program, compile_splits
from dstok.regex.parser import parse
from dstok.unicode.properties import CodePointSet, general_category

Classes = list[CodePointSet]
LIKED = "\0\t\n\v\r !'/0179AELRSTVZaelrstvz~\x7f\x80\x85\xa0\xa1\xb2\u0301\u0661\u017f\u2003\u2028\u3000\u3042\u30fb\u3400\u4e2d\uac00\ufeff\U0001d400\U0001f600\U000e0020\U000e0100\U0010ffff"
SURROGATES = CodePointSet.from_ranges([(0xD800, 0xDFFF)])
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cn Co".split()
ASCII = CodePointSet.from_ranges([(0, 0x7F)])
Parts = dict[str, dict[int, list[tuple[int, int]]]]
TOO_LONG = " " * 20_000  # the compiler refuses it


@cache
def known() -> list[str]:
    """A file of each family that the kernel has rules for, and tiktoken's encodings of other patterns."""
    return sorted(name for name in [*families(), "gpt2", "cl100k_base"] if find_kernel(program(name)).rules != NONE)


@cache
def program(name: str) -> Program:
    return compile_splits(list(model_splits(name)))


@cache
def trees(name: str) -> list[Node]:
    return [parse(split.pattern) for split in model_splits(name)]


# Classes


def any_character(chance: random.Random) -> str:
    """Of one to four bytes, each as likely; one of two is one that rules or tables treat by itself."""
    low, high = chance.choice(list(zip((0, *WIDTHS), WIDTHS)))
    liked = [char for char in LIKED if low <= ord(char) < high]
    code = ord(chance.choice(liked)) if chance.random() < 0.5 else chance.randrange(low, high)
    return chr(code) if not 0xD800 <= code < 0xE000 else any_character(chance)


def some_characters(chance: random.Random) -> CodePointSet:
    """One, or a range of them."""
    first = ord(any_character(chance))
    last = first + chance.choice((0, 0, 0, 1, 5, 25, 200))
    return CodePointSet.from_ranges([(first, min(last, 0x10FFFF))]) - SURROGATES


def moved(chance: random.Random, classes: Sequence[CodePointSet]) -> Classes:
    """Some characters in other classes than they were."""
    found = list(classes)
    ascii_too = chance.random() < 0.5  # kernels may refuse the pattern at once where an ASCII character has moved
    for _ in range(chance.randint(1, 8)):
        moving, to = some_characters(chance), chance.randrange(len(found))
        moving = moving if ascii_too else moving - ASCII
        found = [members | moving if number == to else members - moving for number, members in enumerate(found)]
    return found


def made_up(chance: random.Random, classes: Sequence[CodePointSet]) -> Classes:
    """A few characters in each class, all others in one of them; their order is mostly that of the family."""
    count = len(classes)
    lowest = sorted({ord(any_character(chance)) if chance.random() < 0.4 else chance.randrange(128) for _ in range(4 * count)})
    lowest = [0, *sorted(chance.sample(lowest[1:], count - 1))] if len(lowest) > count else [0]
    found = [CodePointSet.from_ranges([(code, code)]) for code in lowest] + [CodePointSet.empty()] * (count - len(lowest))
    for number, members in enumerate(found):
        for _ in range(chance.choice((0, 0, 1, 2))):
            found[number] |= some_characters(chance) & CodePointSet.from_ranges([(min(members, default=0), 0x10FFFF)])
    taken, rest = SURROGATES, chance.choice((0, 0, chance.randrange(count)))
    for number, members in enumerate(found):
        found[number] = members - taken
        taken |= members
    found[rest] |= CodePointSet.all() - taken
    return found


def in_order(classes: Classes) -> bool:
    """Whether the classes are numbered as the family's are: by their least members."""
    least = [members.ranges[0][0] for members in classes if members]
    return len(least) == len(classes) and least == sorted(least)


def other_classes(chance: random.Random, classes: Sequence[CodePointSet]) -> Classes:
    change, orderly = chance.choice((moved, moved, made_up)), chance.random() < 0.9
    for _ in range(200):
        found = change(chance, classes)
        if in_order(found) or not orderly:
            return found
    return moved(chance, classes)


# Patterns


def written(node: Node, texts: dict[CodePointSet, str]) -> str:
    """A pattern's text, with other sets."""
    if isinstance(node, Chars):
        return texts[node.set]
    if isinstance(node, Look):
        return f"(?!{texts[~node.set]})" if node.at_end else f"(?={texts[node.set]})"
    if isinstance(node, Concat):
        return "".join(written(item, texts) for item in node.items)
    if isinstance(node, Alternate):
        return f"(?:{'|'.join(written(item, texts) for item in node.items)})"
    assert isinstance(node, Repeat), node
    inner = written(node.item, texts)
    counts = f"{{{node.low},{'' if node.high is None else node.high}}}"
    return f"(?:{inner}){counts}{'' if node.greedy else '?'}"


def patterns(name: str, classes: Classes) -> list[str]:
    """A family's patterns over other classes."""
    alphabet, parts, texts = program(name).alphabet, parts_of(classes), dict[CodePointSet, str]()
    everything = frozenset(range(len(classes)))
    for members in dict.fromkeys(members for tree in trees(name) for members in character_sets(tree)):
        inside = alphabet.symbols(members)
        texts[members] = min(listed("[", inside, parts), listed("[^", everything - inside, parts), key=len)
        texts[~members] = min(listed("[", everything - inside, parts), listed("[^", inside, parts), key=len)
    return [written(tree, texts) for tree in trees(name)]


def parts_of(classes: Classes) -> Parts:
    """The ranges of each class, by general category."""
    parts: Parts = {}
    ranges = sorted((*pair, number) for number, members in enumerate(classes) for pair in members.ranges)
    categories, at = category_ranges(), 0
    for first, last, number in ranges:
        while categories[at][1] < first:
            at += 1
        here = at
        while here < len(categories) and categories[here][0] <= last:
            low, high, name = categories[here]
            parts.setdefault(name, {}).setdefault(number, []).append((max(first, low), min(last, high)))
            here += 1
    return parts


@cache
def category_ranges() -> list[tuple[int, int, str]]:
    return sorted((*pair, name) for name in CATEGORIES for pair in general_category(name).ranges)


def listed(begin: str, inside: frozenset[int], parts: Parts) -> str:
    """A bracketed class of the classes `inside`: whole categories by name, the rest by ranges; none of no members."""
    shown, ranges = [], []
    for name, ranges_by_class in parts.items():
        if ranges_by_class.keys() <= inside:
            shown.append(rf"\p{{{name}}}")
        else:
            ranges += [pair for number, pairs in ranges_by_class.items() if number in inside for pair in pairs]
    shown += [rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in CodePointSet.from_ranges(ranges).ranges]
    return f"{begin}{''.join(shown)}]" if shown else TOO_LONG


# Models


def merges_of(chance: random.Random, chars: list[str], apart: list[str]) -> list[Merge]:
    """Of the bytes of each character, and of most pairs of characters, but for those of `apart`: there cuts are safe."""
    inner = [(data[:end], data[end : end + 1]) for data in (char.encode() for char in chars) for end in range(1, len(data))]
    pairs = [(a.encode(), b.encode()) for a in chars for b in chars if not (a in apart and b in apart) and chance.random() < 0.8]
    chance.shuffle(pairs)
    return list(dict.fromkeys(inner + pairs))


def varied(chance: random.Random, levels: tuple[str, ...]) -> Subject | None:
    """A model; None if dstok refuses it, or upstream."""
    name = chance.choice(known())
    own = program(name).alphabet.classes
    classes = list(own) if chance.random() < 0.2 else other_classes(chance, own)
    regexes = patterns(name, classes)
    groups, new = letters_of(classes), letters_of([now - before for now, before in zip(classes, own)])
    wanted = [*chance.sample(new.groups, min(len(new.groups), 6)), *chance.sample(groups.groups, min(len(groups.groups), 6))]
    chars = list(dict.fromkeys([chance.choice(group) for group in wanted] + chance.sample("a 1'\n!bB", 3)))
    apart = chance.choices(chance.choice(groups.cuttable), k=3)
    text = model_json(merges_of(chance, list(dict.fromkeys(chars + apart)), apart), pattern=regexes)
    try:
        tok, theirs = dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)
    except DstokError:
        return None
    except Exception as error:  # upstream raises no class of its own
        assert "Oniguruma" in str(error), error
        return None
    told = (f"{name} with {json.dumps(regexes)}", f"characters {''.join(chars)!a}, apart {''.join(apart)!a}")
    return subject(name, tok, ids_by(theirs), levels, Letters([[char] for char in chars], [apart], [], [], []), told)
