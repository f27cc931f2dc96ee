"""Completions -> messages, whole or as a stream.

In: a completion as text or ids, or parts of one; its version. Out: a `Message`, and deltas in OpenAI's form.
Invariant: any cutting into parts gives the same message. Where ids of DSML are read leniently, only the format's own
ids delimit: a `</think>` or `｜DSML｜` that the model spelled with ordinary tokens is text, and the id of the end token
ends the completion. Otherwise ids are read as the text that they decode to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsIndex

from dstok.chat.answers import Answer, Message
from dstok.chat.dsml import V3_2, V4, V4_1
from dstok.chat.until import TextBuffer, delimiters
from dstok.chat.versions import VersionName, find_version
from dstok.chat.writer import CLOSE, DSML, EOS
from dstok.errors import ArgumentError, ChatError

if TYPE_CHECKING:
    from dstok.protocol import TokenizerProtocol

__all__ = ["Mode", "Parser", "parse"]

Mode = Literal["strict", "lenient"]
DIALECTS = {"v3.2": V3_2, "v4-preview": V4, "v4-0731": V4, "v4.1": V4_1}
THINKING = ("r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp", *DIALECTS)  # versions that can
NAMED = ("v3.1", "v3.2-exp")
# Text never holds these, because no decoder gives them: they stand for the tokens of the format in the text of ids.
CLOSE_ID, DSML_ID = "\udc00", "\udc01"
END = delimiters(EOS)


class _Reads(Protocol):
    def feed(self, text: str) -> None: ...
    def finish(self) -> None: ...


class Parser:
    """Reads a completion in parts. Arguments as for `parse`.

    >>> parser = Parser("v3.1")
    >>> parser.feed("It is su"), parser.feed("nny.</thi"), parser.feed("nk>Sunny")
    ([{'reasoning_content': 'It is su'}], [{'reasoning_content': 'nny.'}], [{'content': 'Sunny'}])
    >>> parser.finish(), parser.message.content
    ([], 'Sunny')
    """

    def __init__(
        self, version: VersionName, *, tokenizer: TokenizerProtocol | None = None, thinking: bool = True,
        tools: bool = True, continues: bool = False, mode: Mode = "lenient",
    ) -> None:
        name = find_version(version).name
        if mode not in ("strict", "lenient"):
            raise ChatError(f'expected "strict" or "lenient", found {mode!r}', field="mode")
        thinks = thinking and name in THINKING
        self._answer = Answer(thinks)
        by_id = tokenizer is not None and mode == "lenient" and name in DIALECTS
        self._reads = _reader(name, self._answer, thinks, tools, continues, mode, by_id)
        self._until_end = TextBuffer() if mode == "lenient" and not by_id else None
        self._ids = None if tokenizer is None else _Ids(tokenizer, by_id)
        self._ended = False
        self._over = ""  # the token or text that ended the completion

    @property
    def message(self) -> Message:
        """The message so far, composed again on each access."""
        return self._answer.message()

    def feed(self, part: str | int | Iterable[int]) -> list[dict[str, Any]]:
        """Adds a part of the completion: text, an id, or ids. Returns the deltas that are sure now.

        Raises `ChatError` for input that the mode refuses. Deltas given before are void then, and nothing more is
        read.
        """
        self._read(self._text(part))
        return self._answer.taken()

    def finish(self) -> list[dict[str, Any]]:
        """Ends the completion. Returns the last deltas. Raises `ChatError` if it may not end here."""
        if self._over != "finish":
            self._read(("" if self._ids is None else self._ids.finish()), last=True)
            self._over = "finish"
            self._reads.finish()
        return self._answer.taken()

    def _read(self, text: str, last: bool = False) -> None:
        if self._over:
            raise ChatError(f"expected no more after {self._over}, found more of the completion, or its end")
        try:
            self._reads.feed(text if self._until_end is None else self._before_end(text, last))
        except ChatError:
            self._over = "an error"
            raise

    def _before_end(self, text: str, last: bool) -> str:
        """The text before the end token. A part of the token at the end of `text` waits for more, or for the last."""
        reader = self._until_end
        if self._ended or reader is None:
            return ""
        reader.add(text)
        before, end = reader.passing(END)
        self._ended = bool(end)
        return before + reader.rest() if last and not end else before

    def _text(self, part: str | int | Iterable[int]) -> str:
        if isinstance(part, str):
            if self._ids is not None:
                raise ChatError("expected ids, as there is a tokenizer, found text")
            return part
        if self._ids is not None and isinstance(part, int):  # the usual case; the checks below cost more than all else
            return self._ids.text([part])
        ids: int | Iterable[int] = part
        if isinstance(ids, (bytes, bytearray, memoryview)) or not isinstance(ids, (Iterable, SupportsIndex)):
            raise ArgumentError(f"expected text or ids, found {type(ids).__name__}", "part")
        if self._ids is None:
            raise ChatError("expected text, or a tokenizer for ids, found ids")
        return self._ids.text([ids] if not isinstance(ids, Iterable) else ids)


def parse(
    completion: str | Iterable[int], version: VersionName, *, tokenizer: TokenizerProtocol | None = None,
    thinking: bool = True, tools: bool = True, continues: bool = False, mode: Mode = "lenient",
) -> Message:
    r"""Returns the message that a completion holds.

    `completion`: the text or, with `tokenizer`, the ids that the model wrote after the prompt. Servers leave out the
    end token; with it, the completion ends there. `thinking`: whether the completion begins in reasoning; versions
    that cannot think have none. `tools`: whether there may be calls. `continues`: whether the prompt ended inside the
    reasoning or the content that the completion begins in, as with `continue_final_message`; then its leading line
    breaks belong to the text. `mode`: "lenient" takes whatever it understands, as deepseek-recipe does (for V3.2 and
    later); "strict" accepts only exactly the format, with the end token, as the reference scripts do. Raises
    `ChatError`; `ArgumentError` for anything but text or ids; `UnknownIdError`.

    >>> parse("Hm</think>Hi", "v3.2")
    Message(content='Hi', reasoning_content='Hm', tool_calls=[])
    >>> parse("\n\nand more", "v3.2", thinking=False, continues=True).content
    '\n\nand more'
    """
    parser = Parser(version, tokenizer=tokenizer, thinking=thinking, tools=tools, continues=continues, mode=mode)
    parser.feed(completion)
    parser.finish()
    return parser.message


def _reader(
    name: str, answer: Answer, thinks: bool, tools: bool, continues: bool, mode: Mode, by_id: bool,
) -> _Reads:
    if name not in DIALECTS:
        from dstok.chat.tool_token_parser import ToolTokenParser

        return ToolTokenParser(answer, thinks, tools and name != "v2", continues, name not in NAMED,
                               mode == "strict")
    if mode == "strict":
        from dstok.chat.dsml_strict import StrictParser

        raises = "AssertionError" if name == "v3.2" else "ValueError"
        return StrictParser(answer, thinks, tools, DIALECTS[name], raises)
    from dstok.chat.dsml_lenient import LenientParser

    blocks = ("function_calls",) if name == "v3.2" else ("tool_calls", " calls")
    return LenientParser(answer, thinks, tools, continues, blocks, *((CLOSE_ID, DSML_ID) if by_id else (CLOSE, DSML)))


class _Ids:
    """The text of ids. With `delimiters`, characters that no text has stand for the format's own tokens."""

    def __init__(self, tokenizer: TokenizerProtocol, delimiters: bool) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.special_tokens
        self.stand_ins = {added[token]: char for token, char in ((CLOSE, CLOSE_ID), (DSML, DSML_ID))
                          if delimiters and token in added}
        self.end = added.get(EOS) if delimiters else None
        self.stream = tokenizer.decode_stream()
        self.ended = False

    def text(self, ids: Iterable[int]) -> str:
        """The text of more ids. Raises `UnknownIdError`."""
        parts = []
        for id in ids:
            if id == self.end:
                self.ended = True
            if self.ended:
                continue
            if id in self.stand_ins:
                parts += [self.stream.finish(), self.stand_ins[id]]
                self.stream = self.tokenizer.decode_stream()
            else:
                parts.append(self.stream.feed(id))
        return "".join(parts)

    def finish(self) -> str:
        """The text of leftover bytes."""
        return self.stream.finish()
