"""transformers' `apply_chat_template`, in which only the template itself makes added tokens.

In: the library's method, and an accelerated tokenizer. Out: the method, with ids of `Segmented` texts.
Invariant: the text is transformers' own. dstok.chat renders the same template with the same variables, to tell which
characters are the template's; where its text differs, there is a `ChatError`. A conversation in which no message and no
variable spells a token keeps its ids, masks and all else.
Source: transformers 4.57.6 and 5.24.0. `apply_chat_template` calls `render_jinja_template`, and that calls
`_compile_jinja_template`: a copy of a function finds another one under such a name, so nothing is replaced for others.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from datetime import datetime
from types import FunctionType
from typing import TYPE_CHECKING, Any

from transformers.utils import chat_template_utils

from dstok._util.objects import Beside
from dstok.errors import ChatError, UnsupportedError
from dstok.integrations.transformers_encoding import Engine, Segmented

if TYPE_CHECKING:
    from dstok.chat import Template

KEPT = 8  # templates of a tokenizer


@Beside
def _templates(engine: Engine) -> Callable[[str], Template]:
    """Makes the templates of a tokenizer. To make one of 800 added tokens takes a millisecond, so the last are kept."""
    from dstok.chat import Template  # with jinja2, which few need

    tok = engine.tok
    return functools.lru_cache(KEPT)(lambda text: Template(text, tok, bos_token="", eos_token="", trusted=True))


def _finding(function: Any, **names: Any) -> Any:
    """A copy of a function that finds these values under its global names."""
    copy = FunctionType(function.__code__, function.__globals__ | names, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def safe_chat(method: Callable[..., Any], engine_of: Callable[[Any], Engine]) -> Callable[..., Any]:
    """The method `apply_chat_template`, whose conversations make no added tokens."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def apply_chat_template(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, *args, **kwargs).arguments
        if kwargs.get("sanitize_control_tokens") or given.get("sanitize_control_tokens"):  # 4.57 has no such argument
            raise UnsupportedError('expected sanitize_control_tokens=False, found True: special="template" does more')
        if not given.get("tokenize", True):
            return method(self, *args, **kwargs)
        own = frozenset(self.special_tokens_map) - given.get("kwargs", {}).keys()
        render = functools.partial(_rendered, engine_of(self), own)
        return _finding(method, render_jinja_template=render)(self, *args, **kwargs)

    return apply_chat_template


def _rendered(engine: Engine, own: frozenset[str], **arguments: Any) -> tuple[list[Segmented], Any]:
    """As `render_jinja_template`; `own` are the names of variables that the tokenizer sets, not the caller."""
    from dstok.chat.encode import segments_of
    from dstok.chat.template_worker import Traced, upto
    from dstok.chat.writer import Writer, rendered_of

    template = _templates(engine)(arguments["chat_template"])
    renders = list[tuple[Traced, dict[str, Any]]]()

    def compiled(text: str) -> _Both:
        return _Both(chat_template_utils._compile_jinja_template(text), text, own, renders)  # noqa: SLF001 (see above)

    texts, marked = _finding(chat_template_utils.render_jinja_template, _compile_jinja_template=compiled)(**arguments)
    found = list[Segmented]()
    for whole, (traced, given) in zip(texts, renders, strict=True):
        if whole != (traced[: len(whole)] if arguments.get("continue_final_message") else traced):
            raise ChatError("the template gives another text when it is rendered again", field="template")
        writer = Writer()
        template.write_traced(upto(traced, len(whole)), given, writer)
        found.append(Segmented(whole))
        found[-1].segments = segments_of(rendered_of(writer.parts), "template")
    return found, marked


class _Both:
    """transformers' compiled template; each time it is rendered, dstok renders it with the same variables."""

    def __init__(self, theirs: Any, text: str, own: frozenset[str], renders: list[Any]) -> None:
        self._theirs, self._text, self._own, self._renders = theirs, text, own, renders
        self.environment = theirs.environment

    def render(self, **variables: Any) -> str:
        return "".join(self.generate(**variables))

    def generate(self, **variables: Any) -> Iterator[str]:
        from dstok.chat.template_worker import rendered

        now = datetime.now()  # both texts tell the same time
        clock = {"strftime_now": lambda form: now.strftime(form)}
        yield from self._theirs.generate(**clock | variables)
        trusted = {name: variables.pop(name) for name in self._own & variables.keys()}
        messages = variables.pop("messages")
        traced = rendered(self._text, messages, trusted, clock | variables)
        self._renders.append((traced, {**variables, "messages": messages}))
