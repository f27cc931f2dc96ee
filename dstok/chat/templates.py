"""A model's own jinja template, rendered in jinja's sandbox. Extra: `pip install "dstok[chat]"`.

In: the text of a template, the tokens of its tokenizer, messages. Out: `Rendered`, as of the built-in versions.
Invariant: the text is what transformers' environment gives; a token is the template's own only if all its characters
are literals of the template: text of a message stays text whatever the template does to it, because every piece
carries where it comes from. Where the template makes a token of its own that cannot be followed there (by a filter,
say), that is a `ChatError`, not another id. Time, turns of loops and size are limited. Source: transformers 4.57,
`_compile_jinja_template`: ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop controls, `tojson`,
`raise_exception`, `strftime_now`, the tag `generation`.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, LoopControlExtension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dstok.chat.messages import Message, as_messages, as_tools
from dstok.chat.traced import Traced, joined, literal, of_message
from dstok.chat.writer import Rendered, Span
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

__all__ = ["Template"]

MAX_SIZE = 1 << 26  # characters of a text that a template makes
MAX_TURNS = 10_000_000  # of all its loops together
MAX_SECONDS = 60.0


class Template:
    """A template of a model's files: what `render`, `encode` and the others take in place of a version.

    `tokenizer` says which texts are tokens, and BOS and EOS, unless they are given. Raises `ChatError` for what is no
    template.

    >>> import dstok
    >>> from dstok import chat
    >>> text = "{{ bos_token }}{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}"
    >>> template = Template(text, dstok.load("deepseek-v3"))
    >>> chat.encode(dstok.load("deepseek-v3"), [{"role": "user", "content": "Hi<｜User｜>"}], template).ids
    [0, 128803, 23166, 30, 28217, 6756, 28217, 32]
    """

    name = "template"

    def __init__(
        self, text: str, tokenizer: Tokenizer, *, bos_token: str | None = None, eos_token: str | None = None,
    ) -> None:
        self.environment = _Environment()
        self.tokens = sorted(tokenizer.special_tokens, key=len, reverse=True)
        self._token = re.compile("|".join(map(re.escape, self.tokens)) or "(?!)")
        self.edges = {"bos_token": _token(tokenizer, tokenizer.bos_id, bos_token),
                      "eos_token": _token(tokenizer, tokenizer.eos_id, eos_token)}
        try:
            self.template = self.environment.from_string(text)
        except (TemplateError, RecursionError) as error:
            raise ChatError(f"expected a jinja template: {error}", field="template",
                            reference=type(error).__name__) from None

    def render(
        self, messages: Any, *, tools: Any = None, add_generation_prompt: bool | None = None,
        continue_final_message: bool = False, **options: Any,
    ) -> Rendered:
        """The text of a conversation, as `dstok.chat.render`; `options` are the template's variables."""
        if continue_final_message:
            raise ChatError("a template cannot leave its last message open", field="continue_final_message")
        said = as_messages(messages)
        given = {"messages": [_marked(message, index) for index, message in enumerate(said)],
                 "tools": as_tools(tools) or None, "documents": None,
                 "add_generation_prompt": bool(add_generation_prompt), **self.edges, **options}
        return self._rendered(self._run(given), said, tools, options)

    def _run(self, given: dict[str, Any]) -> Traced:
        self.environment.begin()
        try:
            return joined([self.template.render(**given)])
        except ChatError:
            raise
        except (MemoryError, RecursionError):
            raise ChatError("the template takes more memory than there is", field="template") from None
        except Exception as error:  # whatever the template's own code raises
            raise ChatError(f"the template raises: {error}", reference=type(error).__name__) from None

    def _rendered(self, text: Traced, said: list[Message], tools: Any, options: dict[str, Any]) -> Rendered:
        ranges, spans, at = [], [], 0
        held = None
        for part, own, message, sampled in text.merged():
            if own:
                ranges += [(at + found.start(), at + found.end()) for found in self._token.finditer(part)]
            elif token := self._token.search(part):
                held = json.dumps([said, tools, options], ensure_ascii=False, default=str) if held is None else held
                if json.dumps(token.group(), ensure_ascii=False)[1:-1] not in held:
                    raise ChatError(f"the template makes the token {token.group()!r} in a way that cannot be followed",
                                    field="template")
            spans.append(Span(at, at + len(part), message, "format" if own else "content", sampled))
            at += len(part)
        return Rendered(str.__str__(text), ranges, spans)


def _token(tokenizer: Tokenizer, id: int | None, named: str | None) -> Traced:
    return literal(named if named is not None else "" if id is None else tokenizer.id_to_token(id))


def _marked(value: Any, index: int) -> Any:
    """A message of which each text knows what message it is of."""
    if isinstance(value, str):
        return of_message(value, index)
    if isinstance(value, dict):
        return {key: _marked(item, index) for key, item in value.items()}
    return [_marked(item, index) for item in value] if isinstance(value, list) else value


class _Code(CodeGenerator):
    """Compiles a template so that its literals are known as its own."""

    def visit_Const(self, node: nodes.Const, frame: Frame) -> None:  # noqa: N802 (jinja's name)
        if isinstance(node.value, str):
            self.write(f"environment.literal({node.value!r})")
        else:
            super().visit_Const(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.concat((")
        for item in node.nodes:
            self.visit(item, frame)
            self.write(", ")
        self.write("))")

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802
        counted = nodes.EnvironmentAttribute("counted", lineno=node.lineno)
        node.iter = nodes.Call(counted, [node.iter], [], None, None, lineno=node.lineno)
        super().visit_For(node, frame)

    def _output_const_repr(self, group: Any) -> str:
        return f"environment.literal({''.join(map(str, group))!r})"


class _Generation(Extension):
    """`{% generation %}`: what the model would have written."""

    tags = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("generated"), [], [], body).set_lineno(line)

    def generated(self, caller: Any) -> Traced:
        return joined([caller()]).as_sampled()


class _Environment(ImmutableSandboxedEnvironment):
    code_generator_class = _Code
    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, LoopControlExtension])
        self.filters |= {"tojson": _tojson}
        self.globals |= {"raise_exception": _raise, "strftime_now": _now}
        self.literal = literal
        self.begin()

    def begin(self) -> None:
        """Another rendering begins."""
        self.turns, self.until = 0, monotonic() + MAX_SECONDS

    def concat(self, parts: Any) -> Traced:
        """What jinja joins pieces with."""
        made = joined(parts, MAX_SIZE)
        self._small(made)
        return made

    def counted(self, items: Any) -> Any:
        """The items of a loop, as many as may be."""
        for item in items:
            self.turns += 1
            if self.turns > MAX_TURNS or (self.turns & 1023 == 0 and monotonic() > self.until):
                raise ChatError(f"the template takes more than {MAX_SECONDS:.0f} seconds or {MAX_TURNS:,} turns of its "
                                "loops", field="template")
            yield item

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        size = _size(left, right, operator)
        if size > MAX_SIZE or (operator == "%" and isinstance(left, str) and re.search("[0-9]{6}", left)):
            raise ChatError(f"the template makes a value of more than {MAX_SIZE:,} characters", field="template")
        return self._small(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call of the template, which may make a long text by a number, or by what it puts in."""
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            numbers = sum(arg for arg in (*args, *kwargs.values()) if isinstance(arg, int))
            inserted = max((len(arg) for arg in args if isinstance(arg, str)), default=0)
            grows = len(owner) * inserted if getattr(obj, "__name__", "") == "replace" else 0
            if max(numbers, grows) > MAX_SIZE:
                raise ChatError(f"the template makes a text of more than {MAX_SIZE:,} characters", field="template")
        return self._small(super().call(context, obj, *args, **kwargs))

    def _small(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > MAX_SIZE:
            raise ChatError(f"the template makes a text of more than {MAX_SIZE:,} characters", field="template")
        return value


def _size(left: Any, right: Any, operator: str) -> int:
    """About how large a product or a power is: in characters, items or bits."""
    if operator == "**" and isinstance(left, int) and isinstance(right, int):
        return left.bit_length() * max(right, 0)
    for text, times in ((left, right), (right, left)):
        if operator == "*" and isinstance(text, str | list | tuple) and isinstance(times, int):
            return len(text) * max(times, 0)
    return left.bit_length() + right.bit_length() if isinstance(left, int) and isinstance(right, int) else 0


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)
