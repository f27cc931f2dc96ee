"""Completions for the parsers: good ones, ones with a fault, and tags in any order.

In: random numbers and a dialect. Out: a completion, and ways to cut it into parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from dstok.chat.dsml import Dialect

EOS = "<｜end▁of▁sentence｜>"
VALUES = ("x", '"\n', "[1, 2]", "<", "a<\n", "", "é", "</", '" string="true">')


def completion(rng: Random, dialect: Dialect) -> str:
    """A completion of a version of DSML; six of ten have a fault or are made of tags in any order."""
    whole = _good(rng, dialect)
    kind, tags = rng.random(), _tags(dialect)
    if kind < 0.1:
        return "".join(rng.choice(tags) for _ in range(rng.randint(1, 14)))
    if kind < 0.4:
        at = rng.randrange(len(whole) + 1)
        return whole[:at] + rng.choice(tags) + whole[at + rng.choice((0, 0, 1, 2, 5)) :]
    if kind < 0.5:
        return whole[: rng.randrange(len(whole) + 1)]
    return whole


def _good(rng: Random, dialect: Dialect) -> str:
    text = "r" * rng.randint(0, 2) + rng.choice(("</think>", "</think>", "\n\n</think>\n")) + rng.choice(("c", "", "é\n"))
    if rng.random() < 0.8:
        calls = "".join(_call(rng, dialect, number) for number in range(rng.randint(0, 3)))
        text += f"\n\n<｜DSML｜{dialect.block}>\n{calls}</｜DSML｜{dialect.block}>"
    return text + rng.choice((EOS, EOS, EOS, ""))


def _call(rng: Random, dialect: Dialect, number: int) -> str:
    parameters = "".join(
        f'<｜DSML｜{dialect.parameter} name="{rng.choice("ab")}{place}" string="{rng.choice(("true", "false"))}">'
        f"{rng.choice(VALUES)}</｜DSML｜{dialect.parameter}>\n" for place in range(rng.randint(0, 3)))
    return f'<｜DSML｜{dialect.invoke} name="f{number}">\n{parameters}</｜DSML｜{dialect.invoke}>\n'


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
