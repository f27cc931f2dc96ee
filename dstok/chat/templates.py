"""A model's own jinja template. Extra: `pip install "dstok[chat]"`.

In: the text of a template, the tokens of its tokenizer, messages. Out: `Rendered`, as for the built-in versions.
Invariant: the text equals that of transformers' environment. A token is the template's own only if all of its
characters are literals of the template. Text of a message stays text, whatever the template does to it, because every
piece of text carries its origin. Some filters lose the origin: if the template then makes a token of its own, there
is a `ChatError`, not another id. A template is rendered in a process with limits (`template_process.py`), unless the
caller trusts it. The place where a last message is left open is found as in transformers 5.24: a sentinel is put
after its content, and the text from the sentinel on is cut off.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import explained
from dstok.chat import sandbox
from dstok.chat import template_worker as template_process
from dstok.chat.messages import Message, as_messages, as_tools, shown
from dstok.chat.traced import Traced, merged, parts_of, upto
from dstok.chat.writer import Rendered, Span
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.protocols import TokenizerProtocol

__all__ = ["Template"]


OLDEST = (3, 1, 6)  # of jinja2: templates can leave the sandbox of earlier ones
INSTALLED = importlib.metadata.version("jinja2")
if tuple(map(int, re.findall("[0-9]+", INSTALLED)[:3])) < OLDEST:
    raise ChatError(f'templates need jinja2 3.1.6 or a later one, found {INSTALLED}: pip install -U "dstok[chat]"')


class Template:
    """A template of a model's files: `render`, `encode` and the others take it in place of a version.

    `tokenizer` tells which texts are tokens, and BOS and EOS unless they are given. The template is rendered in
    another process, with limits of memory, time and stack; `trusted=True` renders it in this process without limits.
    Raises `ChatError` for an invalid template.

    >>> import dstok
    >>> from dstok import chat
    >>> text = "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}"
    >>> template = Template(text, dstok.load("deepseek-v3"))
    >>> chat.encode(dstok.load("deepseek-v3"), [{"role": "user", "content": "Hi<｜User｜>"}], template).ids
    [0, 128803, 23166, 30, 28217, 6756, 28217, 32]
    """

    name = "template"

    @explained
    def __init__(
        self, text: str, tokenizer: TokenizerProtocol, *, bos_token: str | None = None, eos_token: str | None = None,
        trusted: bool = False,
    ) -> None:
        self.text, self.trusted = text, trusted
        self.tokens = sorted(tokenizer.special_tokens, key=len, reverse=True)
        self._token = re.compile("|".join(map(re.escape, self.tokens)) or "(?!)")
        self.edges = {"bos_token": _token(tokenizer, tokenizer.bos_id, bos_token),
                      "eos_token": _token(tokenizer, tokenizer.eos_id, eos_token)}
        self._run(None, {})

    def render(
        self, messages: Any, *, tools: Any = None, add_generation_prompt: bool | None = None,
        continue_final_message: bool = False, **options: Any,
    ) -> Rendered:
        """The text of a conversation, as from `dstok.chat.render`; `options` are the template's variables.

        Raises `ChatError`, also for errors of the template and for limits that it exceeds.
        """
        messages, sentinel = as_messages(messages), ""
        given = messages
        if continue_final_message:
            sentinel = secrets.token_hex(16)  # no message can contain it
            _check_last(messages, add_generation_prompt)
            given = [*messages[:-1], {**messages[-1], "content": f"{messages[-1]['content']}{sentinel} "}]
        text = self._run(given, {"tools": as_tools(tools) or None, "documents": None,
                                 "add_generation_prompt": bool(add_generation_prompt), **options})
        return self._rendered(_before(text, sentinel, messages) if sentinel else text, messages, tools, options)

    def _run(self, messages: list[Message] | None, variables: dict[str, Any]) -> Traced:
        """The text of the messages; without messages the template is only compiled."""
        if not self.trusted:
            return template_process.rendered(self.text, messages, self.edges, variables)
        try:
            return sandbox.rendered(self.text, messages, self.edges, variables)
        except MemoryError:
            raise ChatError("the template takes more memory than there is", field="template") from None

    def _rendered(self, text: Traced, messages: list[Message], tools: Any, options: dict[str, Any]) -> Rendered:
        ranges, spans, at = [], [], 0
        held = None
        for size, (own, message, sampled) in merged(parts_of(text)):
            part = text[at : at + size]
            if own:
                ranges += [(at + match.start(), at + match.end()) for match in self._token.finditer(part)]
            elif token := self._token.search(part):
                held = _held(messages, tools, options) if held is None else held
                if json.dumps(token.group(), ensure_ascii=False)[1:-1] not in held:
                    raise ChatError(f"the template makes the token {token.group()!r} in a way that cannot be followed",
                                    field="template")
            spans.append(Span(at, at + size, message, "format" if own else "content", sampled))
            at += size
        return Rendered(str.__str__(text), ranges, spans)


def _token(tokenizer: TokenizerProtocol, id: int | None, named: str | None) -> str:
    return named if named is not None else "" if id is None else tokenizer.id_to_token(id)


def _held(*values: Any) -> str:
    """The texts that a message or option holds, in JSON."""
    try:
        return json.dumps(values, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        raise ChatError("expected options, found one that holds itself or is nested too deeply") from None


def _check_last(messages: list[Message], add_generation_prompt: bool | None) -> None:
    if add_generation_prompt:
        raise ChatError("expected continue_final_message or add_generation_prompt, found both",
                        field="continue_final_message", reference="ValueError")
    content = messages[-1].get("content") if messages else None
    if not isinstance(content, str):
        raise ChatError(f"expected a last message with a text to continue, found {shown(content)}",
                        len(messages) - 1 if messages else None, "continue_final_message", "ValueError")


def _before(text: Traced, sentinel: str, messages: list[Message]) -> Traced:
    """The text before the sentinel. If the template cut off the blank after it, the blanks before it go too."""
    at = text.rfind(sentinel)
    if at < 0 or messages[-1]["content"].strip() not in text:
        raise ChatError("the template does not write the last message as it is", len(messages) - 1,
                        "continue_final_message", "ValueError")
    kept = upto(text, at)
    return kept if text.startswith(" ", at + len(sentinel)) else upto(kept, len(kept.rstrip()))
