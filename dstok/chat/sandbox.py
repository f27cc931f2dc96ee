"""The environment that a model's own template runs in: jinja's sandbox as transformers sets it up, with limits.

In: a template's text. Out: a compiled template, whose literals and texts are `Traced`.
Invariant: a rendering has a limited number of steps (turns of loops, and calls) and a limited time. A value that the
template prints, compares, or hands to a filter, a test or a call has a limited size; counted is the size that the value
has when it is written out, as for a list that holds a list twice, which holds a list twice, and so on. What goes beyond
a limit is a `ChatError`.
Source: transformers 4.57, `_compile_jinja_template`: ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop
controls, `tojson`, `raise_exception`, `strftime_now`, the tag `generation`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from time import monotonic
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame, operators
from jinja2.ext import Extension, LoopControlExtension
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from dstok.chat.traced import Traced, joined, literal
from dstok.errors import ChatError

__all__ = ["Environment"]

MAX_TEMPLATE = 1 << 20  # characters of a template itself
MAX_SIZE = 1 << 26  # characters of a text that a template makes
MAX_ITEMS = 1 << 20  # of a list, those of the lists in it, too
MAX_STEPS = 10_000_000  # turns of all loops, and calls, together
MAX_SECONDS = 60.0
WIDTH = re.compile(r"[0-9]{6}|\*|\{[^}]*\{")  # in a format: a width of six digits, or one that is an argument


def _too_large() -> ChatError:
    return ChatError(f"the template makes a value of more than {MAX_SIZE:,} characters or {MAX_ITEMS:,} items",
                     field="template")


def small(value: Any) -> Any:
    """The value, if it is not too large written out. A namespace, which may hold itself, is none."""
    if isinstance(value, str):
        if len(value) > MAX_SIZE:
            raise _too_large()
    elif isinstance(value, list | tuple | dict | Namespace):
        _count(value)
    return value


def _count(value: Any) -> None:
    items = size = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, Namespace):
            raise ChatError("the template uses a namespace as a value", field="template")
        elif isinstance(item, list | tuple | dict):
            items += len(item)
            if items <= MAX_ITEMS:
                waiting += item.values() if isinstance(item, dict) else item
        if items > MAX_ITEMS or size > MAX_SIZE:
            raise _too_large()


class _Code(CodeGenerator):
    """Compiles a template so that its literals are known as its own, and its loops and comparisons are limited."""

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

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self.write("(")
        self._small(node.expr, frame)
        for operand in node.ops:
            self.write(f" {operators[operand.op]} ")
            self._small(operand.expr, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self.write("{")
        for item in node.items:
            self._small(item.key, frame)
            self.write(": ")
            self.visit(item.value, frame)
            self.write(", ")
        self.write("}")

    def _small(self, node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.small(")
        self.visit(node, frame)
        self.write(")")

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


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox. `begin` starts the clock of a rendering."""

    code_generator_class = _Code
    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, finalize=small,
                         extensions=[_Generation, LoopControlExtension])
        filters: dict[str, Any] = {**self.filters, "tojson": _tojson}
        self.filters = {name: _limited(name, work) for name, work in filters.items()}
        tests: dict[str, Any] = self.tests
        self.tests = {name: _limited(name, work) for name, work in tests.items()}
        self.globals |= {"raise_exception": _raise, "strftime_now": _now}
        del self.globals["lipsum"]
        self.literal, self.small = literal, small
        self.begin()

    def compiled(self, text: str) -> Any:
        """The template of a text. Raises `ChatError`."""
        if len(text) > MAX_TEMPLATE:
            raise ChatError(f"expected a template of at most {MAX_TEMPLATE:,} characters, found {len(text):,}",
                            field="template")
        try:
            return self.from_string(text)
        except Exception as error:  # the template's, or of Python's compiler for what is too deep
            raise ChatError(f"expected a jinja template: {error}", field="template",
                            reference=type(error).__name__) from None

    def begin(self) -> None:
        """Another rendering begins."""
        self.steps, self.until = 0, monotonic() + MAX_SECONDS

    def step(self) -> None:
        """A turn of a loop, or a call."""
        self.steps += 1
        if self.steps > MAX_STEPS or monotonic() > self.until:
            raise ChatError(f"the template takes more than {MAX_SECONDS:.0f} seconds, or {MAX_STEPS:,} turns of its "
                            "loops and calls", field="template")

    def concat(self, parts: Any) -> Traced:
        """What jinja joins pieces with."""
        made = joined(map(small, parts), MAX_SIZE)
        small(made)
        return made

    def counted(self, items: Any) -> Any:
        """The items of a loop, as many as may be."""
        for item in items:
            self.step()
            yield item

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item by a key, which is hashed."""
        return super().getitem(obj, small(argument))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str) and operator == "%":
            small(right)
            _check_format(left, right if isinstance(right, tuple) else (right,))
        if _size(left, right, operator) > MAX_SIZE:
            raise _too_large()
        made = super().call_binop(context, operator, left, right)
        return small(made) if isinstance(made, str) else made

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call of the template, which may make a long text by a number, or by what it puts in."""
        self.step()
        given = (*args, *kwargs.values())
        owner = getattr(getattr(obj, "__wrapped__", obj), "__self__", None)  # jinja wraps `str.format`
        if owner is not self:  # whose own is `counted`
            for value in given:
                small(value)
        if isinstance(owner, str):
            _check_growth(getattr(obj, "__name__", ""), owner, given)
        made = super().call(context, obj, *args, **kwargs)
        return small(made) if isinstance(made, str) else made


def _limited(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test, which takes no values that are too large, and makes none."""
    @wraps(work)
    def limited(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        for value in given:
            small(value)
        subject = next((value for value in args if isinstance(value, str | list | tuple | dict)), None)
        rest = tuple(value for value in given if value is not subject)
        if name == "sum" and any(isinstance(value, list | tuple) for value in rest):
            raise ChatError("the template sums up lists", field="template")
        if name in APART and isinstance(subject, str) and len(subject) > MAX_ITEMS:
            raise _too_large()
        _check_growth(name, subject, rest)
        return work(*args, **kwargs)

    return limited


APART = frozenset(["join", "list", "sort", "striptags", "unique", "urlize"])  # filters that take a text apart
GROWING = frozenset(["batch", "center", "expandtabs", "indent", "join", "ljust", "replace", "rjust", "slice", "tojson",
                     "truncate", "wordwrap", "xmlattr", "zfill"])


def _check_growth(name: str, subject: Any, given: tuple[Any, ...]) -> None:
    """May a filter or a method of texts do this: put in a text many times, or make one as wide as a number says?"""
    if name in ("format", "format_map") and isinstance(subject, str):
        _check_format(subject, given)
    if name not in GROWING:
        return
    times = len(subject) if isinstance(subject, str | list | tuple | dict) else 1
    if name == "tojson":  # an indent for each item in each depth
        times = 64 * len(json.dumps(subject, default=str))
    widths = [value if isinstance(value, int) else len(value) for value in given if isinstance(value, int | str)]
    items = max([len(value) for value in given if isinstance(value, list | tuple)], default=1)
    if name in ("center", "ljust", "rjust", "zfill", "truncate", "batch", "slice"):
        times = 1
    if max(widths, default=0) * times > MAX_SIZE or (name == "join" and times * items > MAX_SIZE):
        raise _too_large()


def _check_format(text: str, given: tuple[Any, ...]) -> None:
    """A width may be in a format, or be an argument of it."""
    numbers = [value for value in given if isinstance(value, int)]
    if WIDTH.search(text) and (re.search("[0-9]{6}", text) or max(map(abs, numbers), default=0) > 100_000):
        raise _too_large()


def _size(left: Any, right: Any, operator: str) -> int:
    """About how large a product or a power is: in characters, items or bits."""
    if operator == "+" and isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return (len(left) + len(right)) * (MAX_SIZE // MAX_ITEMS)
    if operator == "**" and isinstance(left, int) and isinstance(right, int):
        return left.bit_length() * max(right, 0)
    for text, times in ((left, right), (right, left)):
        if operator == "*" and isinstance(text, str | list | tuple) and isinstance(times, int):
            return len(text) * max(times, 0) * (1 if isinstance(text, str) else MAX_SIZE // MAX_ITEMS)
    return left.bit_length() + right.bit_length() if isinstance(left, int) and isinstance(right, int) else 0


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)
