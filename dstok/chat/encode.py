"""A rendered conversation -> ids, each with its message and whether the model would have written it.

In: a tokenizer and the arguments of `render`. Out: `EncodedConversation`, or a count.
Invariant: with special="template" only tokens that the format itself wrote have the ids of added tokens. Each stretch
between two of them is encoded as one text that matches no added token, so no message can make one. Where no message
holds the text of an added token, the ids equal those of the whole text (special="all").
Source: deepseek-recipe 0.2.0, `encode`. It also encodes the stretch between two tokens as one text, whether the
template or a message wrote it: merges may reach from one into the other.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dstok._util.arguments import explained, first_ids
from dstok._util.objects import Beside
from dstok.chat.render import render
from dstok.chat.writer import Rendered
from dstok.errors import ChatError, SpecialTokenError, TextError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.chat.templates import Template
    from dstok.chat.versions import VersionName
    from dstok.protocols import TokenizerProtocol

ChatSpecial = Literal["template", "all", "raise"]
WITHIN: dict[str, Literal["all", "none", "raise"]] = {"template": "none", "all": "all", "raise": "raise"}
FIELDS = {"reasoning": "reasoning_content", "tool_call": "tool_calls", "tools": "tools", "format": "response_format"}
IGNORED = -100  # the label of ids that no loss is computed for


class EncodedSpan(NamedTuple):
    """A token of the format, or a stretch between two; `given`: the ids were sampled, and the text is theirs."""

    start: int
    end: int
    ids: list[int]
    given: bool = False


@dataclass(frozen=True)
class EncodedConversation:
    """The ids of a conversation, a list, and their text, `rendered`. The arrays are made on use; n is `len(ids)`."""

    ids: list[int]
    rendered: Rendered
    parts: list[EncodedSpan]
    special: ChatSpecial
    tokenizer: TokenizerProtocol

    def __repr__(self) -> str:
        return f"EncodedConversation({first_ids(self.ids)})"

    def array(self) -> npt.NDArray[np.uint32]:
        """The ids as uint32[n]."""
        import numpy as np

        return np.array(self.ids, np.uint32)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """int64[n, 2]: where each id's text begins and ends in `rendered.text`, in code points."""
        import numpy as np

        return np.concatenate([np.zeros((0, 2), np.int64), *map(self._offsets, self.parts)])

    @property
    def message_index(self) -> npt.NDArray[np.int32]:
        """int32[n]: the message where each id begins; -1 for ids of no message, as of begin and generation prompt."""
        return self._of_spans("message").astype("int32")

    @property
    def sampled(self) -> npt.NDArray[np.bool_]:
        """bool[n]: whether the model would have written it: reasoning, its end, content, calls, end; no openers."""
        return self._of_spans("sampled").astype("bool")

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """int64[n]: the ids where `sampled`, else -100."""
        labels = self.array().astype("int64")
        labels[~self.sampled] = IGNORED
        return labels

    def _of_spans(self, field: str) -> npt.NDArray[np.int64]:
        """The value of the span where each id begins."""
        import numpy as np

        values = np.array([getattr(span, field) for span in self.rendered.spans], np.int64)
        starts = np.array([span.start for span in self.rendered.spans], np.int64)
        found = [np.zeros(0, np.int64)]
        for part in filter(lambda part: part.ids, self.parts):
            first, last = np.searchsorted(starts, [part.start, part.end - 1], "right") - 1
            if first != last and (values[first : last + 1] != values[first]).any():
                found.append(values[np.searchsorted(starts, self._offsets(part)[:, 0], "right") - 1])
            else:
                found.append(np.full(len(part.ids), values[first]))
        return np.concatenate(found)

    @property
    def canonical(self) -> npt.NDArray[np.bool_]:
        """bool[n]: whether encoding the text gives the same id for the same bytes. Only sampled ids can differ.

        With special="template" added tokens stay, and each stretch between two is encoded by itself. Raises
        `UnsupportedError` as `IncrementalEncoding.canonical`.
        """
        import numpy as np

        found = np.ones(len(self.ids), np.bool_)
        if not any(part.given for part in self.parts):
            return found
        whole = self.special == "all"
        added = np.isin(self.ids, [] if whole else list(self.tokenizer.added_tokens.values()))
        edges = [-1, *np.flatnonzero(added).tolist(), len(found)]
        for start, stop in ((before + 1, after) for before, after in pairwise(edges) if after - before > 1):
            text = self.tokenizer.encode_incremental(special="all" if whole else "none")
            text.append(ids=self.ids[start:stop])
            found[start:stop] = text.canonical()
        return found

    def _offsets(self, part: EncodedSpan) -> npt.NDArray[np.int64]:
        import numpy as np

        if part.given or spaces(self.tokenizer).after_token:
            return np.array([*_given_offsets(self.tokenizer, part)], np.int64).reshape(-1, 2)
        if len(part.ids) == 1:
            return np.array([[part.start, part.end]], np.int64)
        text = self.rendered.text[part.start : part.end]
        spans = self.tokenizer.encode_with_offsets(text, special=WITHIN[self.special]).char_spans
        return spans.astype(np.int64) + part.start


def _given_offsets(tokenizer: TokenizerProtocol, part: EncodedSpan) -> Iterator[tuple[int, int]]:
    """The places of ids whose text is `part`. An id that ends inside a character has the whole character."""
    decoder = getincrementaldecoder("utf-8")("replace")
    end = part.end - len(tokenizer.decode_bytes(part.ids).decode("utf-8", "replace"))
    for id in part.ids:
        start = end
        end += len(decoder.decode(tokenizer.decode_bytes([id])))
        yield max(start, part.start), min(max(end, part.start) + bool(decoder.getstate()[0]), part.end)


@explained
def encode(
    tokenizer: TokenizerProtocol, messages: Any, version: VersionName | Template, *, special: ChatSpecial = "template",
    **arguments: Any,
) -> EncodedConversation:
    """The ids of a conversation. `arguments` as for `render`.

    `special`: "template" gives added tokens' ids only to the tokens that the format wrote; "all" to every text that
    spells one, like servers that encode the whole text; "raise" refuses messages that hold such a text. Raises
    `ChatError`, also for a token of the format that the tokenizer lacks.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3.1")
    >>> encode(tok, [{"role": "user", "content": "<｜User｜>"}], "v3.1").ids
    [0, 128803, 30, 28217, 6756, 28217, 32]
    >>> encode(tok, [{"role": "user", "content": "<｜User｜>"}], "v3.1", special="all").ids
    [0, 128803, 128803]
    """
    return encode_rendered(tokenizer, render(messages, version, **arguments), special)


@explained
def count(
    tokenizer: TokenizerProtocol, messages: Any, version: VersionName | Template, *, special: ChatSpecial = "template",
    **arguments: Any,
) -> int:
    """The number of ids of a conversation, without making them. Arguments as for `encode`.

    >>> import dstok
    >>> count(dstok.load("deepseek-v3"), [{"role": "user", "content": "Hello"}], "v3", add_generation_prompt=True)
    4
    """
    rendered = render(messages, version, **arguments)
    if special != "all" and spaces(tokenizer).after_token:
        return sum(len(part.ids) for part in parts_of(tokenizer, rendered, special))
    counted = partial(tokenizer.count, special=_within(special))
    _tokens(tokenizer, rendered)
    return sum(1 if token else int(_told(rendered, start, counted, rendered.text[start:end]))
               for start, end, token in stretches(rendered, special))


@explained
def encode_rendered(
    tokenizer: TokenizerProtocol, rendered: Rendered, special: ChatSpecial = "template",
) -> EncodedConversation:
    """The ids of a `Rendered`. `special` and errors as for `encode`."""
    parts = parts_of(tokenizer, rendered, special)
    return EncodedConversation([id for part in parts for id in part.ids], rendered, parts, special, tokenizer)


def parts_of(
    tokenizer: TokenizerProtocol, rendered: Rendered, special: ChatSpecial, after: int | None = None,
) -> list[EncodedSpan]:
    """The tokens of the format and the stretches between them, encoded, after an id `after`; with "all" the whole."""
    within, tokens = _within(special), _tokens(tokenizer, rendered)
    text, parts = rendered.text, list[EncodedSpan]()
    for start, end, token in stretches(rendered, special):
        encoded = partial(_ids_after, tokenizer, after, within)
        ids = [tokens[text[start:end]]] if token else _told(rendered, start, encoded, text[start:end])
        parts.append(EncodedSpan(start, end, ids))
        after = ids[-1] if ids else after
    return parts


def last_id(parts: Sequence[EncodedSpan]) -> int | None:
    """The last id of some parts."""
    return next((part.ids[-1] for part in reversed(parts) if part.ids), None)


def _ids_after(
    tokenizer: TokenizerProtocol, before: int | None, within: Literal["all", "none", "raise"], text: str,
) -> list[int]:
    """The ids of a text that follows an id. Only a model that puts a space before texts tells it from a text alone."""
    if before is None or not spaces(tokenizer)[before not in _added(tokenizer).values()]:
        return tokenizer.encode(text, special=within)
    grown = tokenizer.encode_incremental(special=within)
    grown.append(ids=[before])
    return grown.append(text)[1]


class _Spaces(NamedTuple):
    """Whether a text has other ids alone than after an added token, and than inside a stretch."""

    after_token: bool
    inside: bool


def _spaces_of(tokenizer: TokenizerProtocol) -> _Spaces:
    """Tries a letter in each place. A model whose texts do not grow puts no space there, as far as a chat knows."""
    alone, token = tokenizer.encode("a"), next(iter(tokenizer.added_tokens.values()), None)

    def differs(before: int | None) -> bool:
        grown = tokenizer.encode_incremental(special="none")
        grown.append(ids=[] if before is None else [before])
        return grown.append("a")[1] != alone

    try:
        return _Spaces(differs(token), differs(alone[-1]) if alone else False)
    except UnsupportedError:
        return _Spaces(False, False)


spaces = Beside(_spaces_of)


def stretches(rendered: Rendered, special: str = "template") -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is a token of the format) of each part of the text; with "all" the whole is one part."""
    at, length = 0, len(rendered.text)
    for start, end in [*([] if special == "all" else rendered.special_ranges), (length, length)]:
        if start > at:
            yield at, start, False
        if end > start:
            yield start, end, True
        at = end


def _within(special: str) -> Literal["all", "none", "raise"]:
    if not isinstance(special, str) or special not in WITHIN:
        raise ChatError(f'expected "template", "all" or "raise", found {special!r}', field="special")
    return WITHIN[special]


_added: Beside[TokenizerProtocol, Mapping[str, int]] = Beside(lambda tokenizer: tokenizer.added_tokens)


def _tokens(tokenizer: TokenizerProtocol, rendered: Rendered) -> Mapping[str, int]:
    """The ids of the added tokens. Refuses a tokenizer that lacks a token of the format."""
    ids = _added(tokenizer)
    for start, end in rendered.special_ranges:
        if rendered.text[start:end] not in ids:
            raise ChatError(f"the format writes the token {rendered.text[start:end]!r}, which the tokenizer "
                            f"{tokenizer.name or 'that was loaded'} does not have")
    return ids


def _told(rendered: Rendered, start: int, call: Any, text: str) -> Any:
    """`call(text)`; an error names the message that the text comes from."""
    try:
        return call(text)
    except TextError as error:
        place, message = start + error.offset, error.message
    except SpecialTokenError as error:
        place = start + len(text.encode()[: error.offset].decode())
        message = (f"the text holds the added token {error.token!r}; pass special=\"template\" to encode it as plain "
                   "text")
    span = next(span for span in rendered.spans if span.end > place)
    raise ChatError(message, span.message if span.message >= 0 else None, FIELDS.get(span.kind, "content"))
