"""The parser of versions up to V3.2-Exp: answers, reasoning before `</think>`, calls between tokens.

In: a completion in parts. Out: an `Answer`. Invariant: the message does not depend on how the completion is cut. The
parser keeps less than a token, or one call. Lenient: anything between the tokens that is not a call is skipped, and
reasoning need not end. Strict: everything must be as the format writes it, including the end token.
Source: DeepSeek has no parser for these versions. Their templates give the shape of a call. The lenient rules are
those of the parsers of vLLM and SGLang: for R1 all text is reasoning if `</think>` is missing.
"""

from __future__ import annotations

from dstok.chat.answers import EXCERPT, Answer, MethodParser, Straight, delimiters
from dstok.chat.v2_v3 import CALL_BEGIN, CALL_END, CALLS_BEGIN, CALLS_END, SEP
from dstok.chat.writer import CLOSE, EOS, OPEN

FENCE, FENCE_END = "\n```json\n", "\n```"  # around arguments


class ToolTokenParser(MethodParser):
    """`feed` parts, then `finish`. `typed`: whether calls have a type and a block of JSON, as up to R1-0528."""

    def __init__(self, answer: Answer, thinking: bool, tools: bool, continues: bool, typed: bool, strict: bool) -> None:
        super().__init__(answer, self._reasoning if thinking else self._content)
        self.typed, self.strict = typed, strict
        ends = () if strict else (EOS,)  # leniently, a completion may end anywhere
        self.close, self.call_edges, self.call_end = (
            delimiters(CLOSE, *ends), delimiters(CALL_BEGIN, CALLS_END, *ends), delimiters(CALL_END, *ends))
        self.content_end = delimiters(EOS, CALLS_BEGIN) if tools else delimiters(EOS)
        # The start of the reasoning, which may be `<think>`.
        self.begin: str | None = "" if thinking and not continues else None
        self.calls = 0
        self.ended = False

    def finish(self) -> None:
        rest = self.reader.rest()
        if self.state == self._end and not rest:
            return
        if self.strict:
            raise self.error("expected the end token, found the end or other text")
        if self.state == self._reasoning:
            self._think(rest)
        elif self.state == self._content:
            self.answer.say(rest)

    def straight(self) -> Straight | None:
        reasoning = self.state == self._reasoning
        if self.reader.is_holding or self.begin is not None or not (reasoning or self.state == self._content):
            return None
        return self.answer.straight_text(reasoning)

    def _reasoning(self) -> bool:
        before, delimiter = self.reader.passing(self.close)
        self._think(before)
        if delimiter:
            self.state = self._content if delimiter == CLOSE else self._end
        return bool(delimiter)

    def _think(self, text: str) -> None:
        """Adds reasoning, without `<think>` at its start."""
        if self.begin is not None:
            text, self.begin = self.begin + text, None
            if OPEN.startswith(text) and text != OPEN:
                self.begin = text
                return
            text = text.removeprefix(OPEN)
        self.answer.think(text)

    def _content(self) -> bool:
        before, delimiter = self.reader.passing(self.content_end)
        self.answer.say(before)
        if delimiter:
            self.ended = delimiter == EOS
            self.state = self._end if self.ended else self._between
        return bool(delimiter)

    def _between(self) -> bool:
        """Reads nothing, or a newline, between two calls."""
        found = self.reader.until(self.call_edges) if self.strict else self.reader.passing(self.call_edges)
        if found is None or not found[1]:
            return False
        wanted = "\n" if self.typed and self.calls and found[1] == CALL_BEGIN else ""
        if self.strict and found[0] != wanted:
            raise self.error(f"expected a call, found {found[0][:EXCERPT]!r}")
        self.state = self._call if found[1] == CALL_BEGIN else self._end
        return True

    def _call(self) -> bool:
        found = self.reader.until(self.call_end)
        if found is None:
            return False
        if found[1] == EOS:
            self.state = self._end
            return True
        # The first separator divides the name from what is before or after it. A block of arguments begins at the
        # first fence and ends where the call does: if that is too early for the first fence, it is for later ones.
        name, is_call, arguments = found[0].partition(SEP)
        if self.typed:
            name, fence, arguments = arguments.partition(FENCE)
            is_call = fence if arguments.endswith(FENCE_END) else ""
            arguments = arguments.removesuffix(FENCE_END)
        if is_call:
            self.calls += 1
            self.answer.call(name)
            self.answer.argue(arguments)
        elif self.strict:
            raise self.error(f"expected a call with a name and arguments, found {found[0][:EXCERPT]!r}")
        self.state = self._between
        return True

    def _end(self) -> bool:
        """Reads the text after the end token, or after the calls, which the end token may follow."""
        rest = self.reader.ahead(EXCERPT)
        if not self.strict:
            self.reader.rest()
        elif rest and (self.ended or not EOS.startswith(rest)):
            raise self.error(f"expected nothing after the end, found {rest!r}")
        elif rest == EOS:
            self.ended = True
            self.reader.rest()
        return False
