"""The lenient parser of DSML: it takes whatever it understands of a completion, as deepseek-recipe does.

In: a completion in parts. Out: an `Answer`. Invariant: the message does not depend on how the completion is cut. The
parser keeps less than a delimiter, the number of newlines before it, and a tool's name. Source: the state machine of
deepseek-recipe 0.2.0 (MIT), by experiment: tests/chat/test_parsers.py.

The parser drops newlines before `</think>`, after it, and before a tool block. `<｜DSML｜` begins a block, even in
reasoning. In a block `invoke name="` begins a call, and `parameter name=` a parameter; the parameter's name extends
to a blank and includes any quotes. `</｜DSML｜` ends either. The parser skips all else in a block and reads nothing
after the block.
"""

from __future__ import annotations

from collections.abc import Callable

from dstok.chat.answers import Answer, escaped
from dstok.chat.until import TextBuffer, delimiters
from dstok.chat.writer import CLOSE, DSML

__all__ = ["LenientParser"]

INVOKE, PARAMETER, TEXT, JSON = 'invoke name="', "parameter name=", 'true">', 'false">'
QUOTE, BLANK, TYPES = delimiters('"'), delimiters(" "), delimiters(TEXT, JSON)
MAX_DELIMITER = 16  # characters: longer than any delimiter that drops newlines before it


class LenientParser:
    """`feed` parts, then `finish`. `close`, `dsml`: the texts that stand for these tokens, if not their own."""

    def __init__(
        self, answer: Answer, thinking: bool, tools: bool, continues: bool = False,
        blocks: tuple[str, ...] = ("tool_calls", " calls"), close: str = CLOSE, dsml: str = DSML,
    ) -> None:
        self.answer, self.close = answer, close
        self.reader = TextBuffer()
        self.begin, self.end = f"<{dsml}", f"</{dsml}"
        self.plain = {close: CLOSE, dsml: DSML} if close != CLOSE else {}
        self.text_edges = delimiters(close, self.begin) if tools else delimiters(close)
        self.each = {text: delimiters(text) for text in self.text_edges.texts}
        self.block_edges = delimiters(INVOKE, *(f"</{dsml}{block}>" for block in blocks))
        self.call_edges, self.value_end = delimiters(PARAMETER, self.end), delimiters(self.end)
        self.reasoning = thinking
        self.at_start = not continues  # there newlines are dropped
        self.newlines = 0
        self.before_newlines = ""
        self.is_text = False
        self.has_parameter = False
        self.state: Callable[[], bool] | None = self._read_text

    def feed(self, text: str) -> None:
        """Adds a part of the completion."""
        if self.state is None:
            return
        self.reader.add(text)
        while self.state is not None and self.state():
            pass

    def finish(self) -> None:
        """Ends the completion. The text held back turns out to be ordinary text."""
        rest = self.reader.rest()
        if self.state == self._read_text:
            self._text(rest)
            self._text("\n" * self.newlines, True)
        elif self.state == self._read_key:
            self.answer.argue(self._seen(rest))
        elif self.state == self._read_value:
            self._value(rest)

    def _seen(self, text: str) -> str:
        for delimiter, token in self.plain.items():
            text = text.replace(delimiter, token)
        return text

    def _read_text(self) -> bool:
        before, delimiter = self.reader.passing(self.text_edges)
        self._text(before)
        if not delimiter:
            return False
        if delimiter == self.close and not self.reasoning:
            self._text("\n" * self.newlines, True)
            self.at_start = False
        elif self.newlines and self.each[delimiter].search(self.before_newlines):
            self._text("\n", True)  # as in the reference: a newline that breaks off the delimiter itself is text
        if delimiter == self.begin:
            self.state = self._read_block
        elif self.reasoning:
            self.reasoning, self.at_start = False, True
        self.newlines, self.before_newlines = 0, ""
        return True

    def _text(self, text: str, whole: bool = False) -> None:
        """Adds text to the content or the reasoning, but holds back newlines at its end, which may be dropped."""
        said = text if whole else text.rstrip("\n")
        if said and not whole:
            start = said.lstrip("\n") if self.at_start else "\n" * self.newlines + said
            self.at_start, self.newlines, self.before_newlines = False, 0, said[-MAX_DELIMITER:]
            (self.answer.think if self.reasoning else self.answer.say)(self._seen(start))
        elif said and not self.at_start:
            (self.answer.think if self.reasoning else self.answer.say)(said)
        if not whole:
            self.newlines += len(text) - len(said)

    def _read_block(self) -> bool:
        _, delimiter = self.reader.passing(self.block_edges)
        if delimiter == INVOKE:
            self.state = self._read_name
        elif delimiter:
            self.state = None
        return bool(delimiter)

    def _read_name(self) -> bool:
        read = self.reader.until(QUOTE)
        if read is None:
            return False
        self.answer.call(self._seen(read[0]))
        self.has_parameter = False
        self.state = self._read_parameters
        return True

    def _read_parameters(self) -> bool:
        _, delimiter = self.reader.passing(self.call_edges)
        if delimiter == self.end:
            self.answer.argue("}" if self.has_parameter else "{}")
            self.state = self._read_block
        elif delimiter:
            self.answer.argue(", " if self.has_parameter else "{")
            self.has_parameter = True
            self.state = self._read_key
        return bool(delimiter)

    def _read_key(self) -> bool:
        before, delimiter = self.reader.passing(BLANK)
        self.answer.argue(self._seen(before))
        if delimiter:
            self.answer.argue(": ")
            self.state = self._read_type
        return bool(delimiter)

    def _read_type(self) -> bool:
        _, delimiter = self.reader.passing(TYPES)
        if delimiter:
            self.is_text = delimiter == TEXT
            self.answer.argue('"' if self.is_text else "")
            self.state = self._read_value
        return bool(delimiter)

    def _read_value(self) -> bool:
        before, delimiter = self.reader.passing(self.value_end)
        self._value(before)
        if delimiter:
            self.answer.argue('"' if self.is_text else "")
            self.state = self._read_parameters
        return bool(delimiter)

    def _value(self, text: str) -> None:
        self.answer.argue(escaped(self._seen(text)) if self.is_text else self._seen(text))
