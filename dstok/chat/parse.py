"""Completions -> messages, whole or as a stream.

In: a completion as text or ids, or parts of one; its version. Out: a `Message`, and deltas in OpenAI's form.
Invariant: any cutting into parts gives the same message. Where ids of DSML are read leniently, only the format's own
ids delimit: a `</think>` or `｜DSML｜` that the model spelled with ordinary tokens is text, and the id of the end token
ends the completion. Otherwise ids are read as the text that they decode to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from dstok._util.arguments import explained
from dstok.chat.answers import Answer, Message, Straight
from dstok.chat.parse_dsml import LenientParser, StrictParser
from dstok.chat.parse_tool_tokens import ToolTokenParser
from dstok.chat.v3_2 import V3_2, V4, V4_1
from dstok.chat.versions import VersionName, find_version
from dstok.chat.writer import CLOSE, DSML, EOS
from dstok.errors import ArgumentError, ChatError

if TYPE_CHECKING:
    from dstok.protocols import TokenizerProtocol

Mode = Literal["strict", "lenient"]
DIALECTS = {"v3.2": V3_2, "v4-preview": V4, "v4-0731": V4, "v4.1": V4_1}
THINKING = ("r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp", *DIALECTS)  # versions that can
NAMED = ("v3.1", "v3.2-exp")
# Text never holds these, because no decoder gives them: they stand for the tokens of the format in the text of ids.
STAND_INS = {CLOSE: "\udc00", DSML: "\udc01", EOS: "\udc02"}
CHARS = frozenset(STAND_INS.values())


class Parser:
    """Reads a completion in parts. Arguments as for `parse`.

    >>> parser = Parser("v3.1")
    >>> parser.feed("It is su"), parser.feed("nny.</thi"), parser.feed("nk>Sunny")
    ([{'reasoning_content': 'It is su'}], [{'reasoning_content': 'nny.'}], [{'content': 'Sunny'}])
    >>> parser.finish(), parser.message.content
    ([], 'Sunny')
    """

    @explained
    def __init__(
        self, version: VersionName, *, tokenizer: TokenizerProtocol | None = None, thinking: bool = True,
        tools: bool = True, continues: bool = False, json_output: bool = False, mode: Mode = "lenient",
    ) -> None:
        name = find_version(version).name
        if mode not in ("strict", "lenient"):
            raise ChatError(f'expected "strict" or "lenient", found {mode!r}', field="mode")
        if json_output and (mode == "strict" or name not in DIALECTS):
            raise ChatError(f"only the lenient parser of {', '.join(DIALECTS)} looks for JSON output, found mode "
                            f"{mode!r} of {name}", field="json_output")
        thinks = thinking and name in THINKING
        self._answer = answer = Answer(thinks)
        by_id = tokenizer is not None and mode == "lenient" and name in DIALECTS
        self._ids = None if tokenizer is None else _Ids(tokenizer, by_id)
        self._reads: ToolTokenParser | StrictParser | LenientParser
        if name not in DIALECTS:
            self._reads = ToolTokenParser(answer, thinks, tools and name != "v2", continues, name not in NAMED,
                                          mode == "strict")
        elif mode == "strict":
            raises = "AssertionError" if name == "v3.2" else "ValueError"
            self._reads = StrictParser(answer, thinks, tools, DIALECTS[name], raises)
        else:
            blocks = ("function_calls",) if name == "v3.2" else ("tool_calls", " calls")
            marks = (STAND_INS[CLOSE], STAND_INS[DSML], STAND_INS[EOS]) if by_id else (CLOSE, DSML, EOS)
            self._reads = LenientParser(answer, thinks, tools, continues, json_output, blocks, marks)
        self._straight: Straight | None = None  # for text that holds none of the characters in `feed`
        self._over = ""  # the call or error that ended the completion

    @property
    def message(self) -> Message:
        """The message so far, composed again on each access."""
        return self._answer.message()

    def feed(self, part: str | int | Iterable[int]) -> list[dict[str, Any]]:
        """Adds a part of the completion: text, an id, or ids. Returns the deltas that are sure now.

        Raises `ChatError` for input that the mode refuses. Deltas given before are void then, and nothing more is
        read.
        """
        text = part if self._ids is None and isinstance(part, str) else self._text(part)
        if self._straight is None or "<" in text or "\n" in text or "｜" in text or (
                self._ids is not None and not CHARS.isdisjoint(text)):
            self._read(text)
            return self._answer.taken()
        self._reads.read += len(text)
        return self._straight(text) if text else []

    def finish(self) -> list[dict[str, Any]]:
        """Ends the completion. Returns the last deltas. Raises `ChatError` if it may not end here."""
        if self._over != "finish":
            self._read("" if self._ids is None else self._ids.stream.finish())
            self._straight, self._over = None, "finish"
            self._reads.finish()
        return self._answer.taken()

    def _read(self, text: str) -> None:
        if self._over:
            raise ChatError(f"expected no more after {self._over}, found more of the completion, or its end")
        self._straight = None
        try:
            self._reads.feed(text)
        except ChatError:
            self._over = "an error"
            raise
        self._straight = self._reads.straight()

    def _text(self, part: str | int | Iterable[int]) -> str:
        if isinstance(part, str):
            if self._ids is not None:
                raise ChatError("expected ids, as there is a tokenizer, found text")
            return part
        if self._ids is not None and isinstance(part, int):  # the usual case; the checks below cost more than all else
            return self._ids.text_of(part)
        ids: int | Iterable[int] = part
        if isinstance(ids, (bytes, bytearray, memoryview)) or not isinstance(ids, (Iterable, SupportsIndex)):
            raise ArgumentError(f"expected text or ids, found {type(ids).__name__}", "part")
        if self._ids is None:
            raise ChatError("expected text, or a tokenizer for ids, found ids")
        return self._ids.text([ids] if not isinstance(ids, Iterable) else ids)


@explained
def parse(
    completion: str | Iterable[int], version: VersionName, *, tokenizer: TokenizerProtocol | None = None,
    thinking: bool = True, tools: bool = True, continues: bool = False, json_output: bool = False,
    mode: Mode = "lenient",
) -> Message:
    r"""Returns the message that a completion holds.

    `completion`: the text or, with `tokenizer`, the ids that the model wrote after the prompt. Servers leave out the
    end token; with it, the completion ends there. `thinking`: whether the completion begins in reasoning; versions
    that cannot think have none. `tools`: whether there may be calls. `continues`: whether the prompt ended inside the
    reasoning or the content that the completion begins in, as with `continue_final_message`; then its leading line
    breaks belong to the text. `json_output`: whether the content is JSON (V3.2 and later, lenient): fences around it
    go, and other text before or after it becomes a blank, as with deepseek-recipe's option for it. `mode`:
    "lenient" takes whatever it understands, as deepseek-recipe does (for V3.2 and later); "strict" accepts only exactly
    the format, with the end token, as the reference scripts do. Raises `ChatError`; `ArgumentError` for anything but
    text or ids; `UnknownIdError`.

    >>> parse("Hm</think>Hi", "v3.2")
    Message(content='Hi', reasoning_content='Hm', tool_calls=[])
    >>> parse("\n\nand more", "v3.2", thinking=False, continues=True).content
    '\n\nand more'
    >>> parse('Hm</think>Here:\n```json\n{"a": 1}\n```', "v4.1", json_output=True).content
    ' {"a": 1}'
    """
    parser = Parser(version, tokenizer=tokenizer, thinking=thinking, tools=tools, continues=continues,
                    json_output=json_output, mode=mode)
    parser.feed(completion)
    parser.finish()
    return parser.message


class _Ids:
    """The text of ids. With `delimiters`, characters that no text has stand for the format's own tokens."""

    def __init__(self, tokenizer: TokenizerProtocol, delimiters: bool) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens
        self.stand_ins = {added[token]: char for token, char in STAND_INS.items() if delimiters and token in added}
        self.stream = tokenizer.decode_stream()
        self.ended = False

    def text(self, ids: Iterable[int]) -> str:
        """The text of more ids, up to the end token."""
        return "".join([self.text_of(id) for id in ids])

    def text_of(self, id: int) -> str:
        if self.ended:
            return ""
        if id not in self.stand_ins:
            return self.stream.feed(id)
        before, char = self.stream.finish(), self.stand_ins[id]
        self.stream, self.ended = self.tokenizer.decode_stream(), char == STAND_INS[EOS]
        return before + char
