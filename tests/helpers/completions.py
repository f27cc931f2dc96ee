"""Completions for the parsers: good ones, ones with a fault, tags in any order, and ones that grow.

In: random numbers and a version, or a dialect of DSML. Out: a completion, ways to cut it into parts, and texts whose
length is proportional to a number. Invariant: a completion that grows has the same faults at every length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from dstok.chat.parse import NAMED
from dstok.chat.v2_v3 import CALL_BEGIN, CALL_END, CALLS_BEGIN, CALLS_END, SEP
from dstok.chat.writer import DIALECTS, Dialect

EOS = "<｜end▁of▁sentence｜>"
FENCE = "\n```json\n"
NUMBER = "#"
VALUES = ("x", '"\n', "[1, 2]", "<", "a<\n", "", "é", "</", '" string="true">')
JSON_PARTS = ("{", "[", '{"a": "```"}', "[1]", "```", "```json", "```json\n", "```\n", "\n```", "\n```\n", "\n", "\n\n", " ",
              "Here: ", "é", "`", "<", "</think>", "</th", "\n\n<｜DS", "<｜DSML｜", EOS)
KINDS = ("function", "", "<", SEP)
NAMES = ("f", "", "\n", "é", SEP, FENCE, "\n```")


def completion(rng: Random, dialect: Dialect) -> str:
    """A completion of a version of DSML; six of ten have a fault or are made of tags in any order."""
    return _spoiled(rng, "".join(_good(rng, dialect)), _tags(dialect))


def completion_of(rng: Random, version: str) -> str:
    """A completion of any version, with faults as `completion`."""
    return _spoiled(rng, "".join(_parts_of(rng, version)), _tags_of(version))


def json_completion(rng: Random, dialect: Dialect) -> str:
    """A completion in which JSON, fences, other text, tags and newlines come in any order."""
    text = "".join(rng.choices(JSON_PARTS, k=rng.randint(0, 6)))
    if rng.random() < 0.4:
        text += "\n" * rng.randint(0, 2) + "".join(_good(rng, dialect, least=1)[3:])
    thought = rng.choice(("", "r</think>", "</think>", "r\n\n</think>\n\n"))
    return _spoiled(rng, thought + text, [*_tags(dialect), *JSON_PARTS]) if rng.random() < 0.3 else thought + text


def _spoiled(rng: Random, whole: str, tags: list[str]) -> str:
    kind = rng.random()
    if kind < 0.1:
        return "".join(rng.choice(tags) for _ in range(rng.randint(1, 14)))
    if kind < 0.4:
        at = rng.randrange(len(whole) + 1)
        return whole[:at] + rng.choice(tags) + whole[at + rng.choice((0, 0, 1, 2, 5)) :]
    if kind < 0.5:
        return whole[: rng.randrange(len(whole) + 1)]
    return whole


@dataclass(frozen=True)
class Growing:
    """A completion of which some parts, one after the other, are repeated: `before`, each of `units`, `after`.

    In a unit, NUMBER stands for the number of the repetition.
    """

    before: str
    units: tuple[str, ...]
    after: str

    def times(self, length: int) -> int:
        """How often the units are repeated in a completion of about so many characters: more often than it takes to end
        a parameter, a call and a block."""
        return max(length // len("".join(self.units)), 6)

    def text(self, times: int) -> str:
        """The completion with each unit so often."""
        repeated = [unit.replace(NUMBER, str(number)) for unit in self.units for number in range(times)]
        return self.before + "".join(repeated) + self.after


def growing(rng: Random, version: str) -> Growing:
    """A completion that is cut at a place between two of its parts, where tags, parts of tags and calls are repeated."""
    parts, tags = _parts_of(rng, version, least=1), _tags_of(version)
    at = rng.randrange(len(parts) + 1)
    units = tuple(_unit(rng, tags, parts) for _ in range(rng.randint(1, 3)))
    return Growing("".join(parts[:at]), units, rng.choice(("", "".join(parts[at:]), "".join(parts))))


def _unit(rng: Random, tags: list[str], parts: list[str]) -> str:
    first, last = sorted(rng.sample(range(len(parts) + 1), 2))
    tag = rng.choice(tags)
    near = tag[: rng.randrange(len(tag) + 1)]
    numbered = [part.replace('"', f'"{NUMBER}', 1) if "name=" in part else part for part in parts[first:last]]
    return rng.choice((tag, near, near + rng.choice(tags), "".join(numbered))) or "x"


def _parts_of(rng: Random, version: str, least: int = 0) -> list[str]:
    if version in DIALECTS:
        return _good(rng, DIALECTS[version], least)
    return _good_of_tokens(rng, version not in NAMED, least)


def _tags_of(version: str) -> list[str]:
    return _tags(DIALECTS[version]) if version in DIALECTS else TOKEN_TAGS


def _good(rng: Random, dialect: Dialect, least: int = 0) -> list[str]:
    parts = ["r" * rng.randint(0, 2), rng.choice(("</think>", "</think>", "\n\n</think>\n")), rng.choice(("c", "", "é\n"))]
    if least or rng.random() < 0.8:
        parts.append(f"\n\n<｜DSML｜{dialect.block}>\n")
        for number in range(rng.randint(least, 3)):
            parts += _call(rng, dialect, number, least)
        parts.append(f"</｜DSML｜{dialect.block}>")
    return [*parts, rng.choice((EOS, EOS, EOS, ""))]


def _call(rng: Random, dialect: Dialect, number: int, least: int = 0) -> list[str]:
    parts = [f'<｜DSML｜{dialect.invoke} name="f{number}', '">\n']
    for place in range(rng.randint(least, 3)):
        parts += [f'<｜DSML｜{dialect.parameter} name="{rng.choice("ab")}{place}',
                  f'" string="{rng.choice(("true", "false"))}">', rng.choice(VALUES),
                  f"</｜DSML｜{dialect.parameter}>\n"]
    return [*parts, f"</｜DSML｜{dialect.invoke}>\n"]


def _good_of_tokens(rng: Random, typed: bool, least: int) -> list[str]:
    """A completion whose calls stand between tokens, as up to V3.2-Exp."""
    parts = [rng.choice(("", "<think>", "r")), rng.choice(("</think>", "</think>", "")), rng.choice(("c", "", "é\n"))]
    if least or rng.random() < 0.8:
        parts.append(CALLS_BEGIN)
        for number in range(rng.randint(least, 3)):
            parts += ["\n" if typed and number else "", CALL_BEGIN]
            parts += [rng.choice(KINDS), SEP] if typed else []
            parts += [rng.choice(NAMES), FENCE if typed else SEP, rng.choice(VALUES), "\n```" if typed else "", CALL_END]
        parts.append(CALLS_END)
    return [*parts, rng.choice((EOS, EOS, EOS, ""))]


TOKEN_TAGS = ["\n", "</think>", "<think>", CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, SEP, FENCE, "\n```", "```", "json\n",
              f"{CALL_BEGIN}function{SEP}f{FENCE}{{}}\n```{CALL_END}", f"{CALL_BEGIN}f{SEP}{{}}{CALL_END}", EOS, "x", "<",
              "<｜tool▁call", "｜>", "\n```json", "é", "</thi", "[", ""]


def _tags(d: Dialect) -> list[str]:
    return ["\n", "\n\n", "</think>", "<think>", "<｜DSML｜", f"\n\n<｜DSML｜{d.block}", f"\n\n<｜DSML｜{d.block}>\n",
            f"<｜DSML｜{d.invoke}", ' name="f">\n', f'<｜DSML｜{d.invoke} name="f">\n', 'invoke name="', 'x"\n', "v",
            f'<｜DSML｜{d.parameter} name="a" string="true">', f"</｜DSML｜{d.parameter}>\n", f"/｜DSML｜{d.parameter}>\n",
            f"</｜DSML｜{d.invoke}>\n", f"</｜DSML｜{d.block}>", "<", "</", '" string="false">', "true\">", '" ',
            f'<｜DSML｜{d.parameter} name="b" string="false">', "[1]", '"', "é", "｜DSML｜", EOS, "<\n", ">\n", "</thi", ""]


def cuttings(rng: Random, text: str) -> Iterator[list[str]]:
    """The text whole, character by character, and cut at three places."""
    yield [text]
    yield list(text)
    cuts = sorted(rng.sample(range(len(text) + 1), min(len(text), 3)))
    yield [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)])]
