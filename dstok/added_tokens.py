"""Makes matchers for the core of the added tokens, which a call finds in a text before it splits the text.

In: the added tokens of a model and the `special=` of a call. Out: a `Policy`; also the spelling of tokens. Invariant:
`special="all"` is upstream's behaviour. `"none"` matches nothing, so that no text can forge a token. A set matches as
if the model had those added tokens and no others. Tokens with overlapping spans upstream are an `UnsupportedError`.
Source: upstream's AddedVocabulary. It matches tokens with normalized=false in the raw text. It normalizes each stretch
between two of them, and matches the other tokens there, by their normalized content.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dstok._util.arguments import Errors, Special, replaces_faults
from dstok._util.objects import lazy
from dstok.core.text.added_tokens import Matcher, Policy
from dstok.errors import ArgumentError, UnknownTokenError, UnsupportedError
from dstok.formats import AddedToken

if TYPE_CHECKING:
    from dstok.core.text.normalize import Normalizer
    from dstok.tokenizer import Tokenizer

_CHOICES = '"all", "none", "raise" or a set of added tokens\' texts'
MAX_CACHED = 16  # policies kept, most of them for different sets; a server uses one or two
MAX_BEYOND = 1000  # bytes of a token after another one that it begins with


class AddedTokens:
    """Holds the added tokens of one model, and makes each policy when a call first asks for it.

    `runs`: by a character, the ids of its runs by length, if merging always makes the longest (compiled/build.py).
    """

    def __init__(
        self, tokens: tuple[AddedToken, ...], unicode_version: str, normalizer: Normalizer | None = None,
        runs: Mapping[str, list[int]] = MappingProxyType({}),
    ) -> None:
        self._runs = runs
        self.tokens, self.unicode_version, self._normalizer = tokens, unicode_version, normalizer
        self._policies: dict[str | frozenset[str], Policy] = {}
        if normalizer is not None or any(token.rstrip for token in tokens):
            self._refuse_alike_and_overlapping()
        for normalized in (False, True):
            some = [(i, token) for i, token in enumerate(tokens) if token.normalized == normalized]
            if (normalizer and normalized) or any(len(token.content) > MAX_BEYOND // 4 for _, token in some):
                self._refuse_far({self.seen(token): i for i, token in some})

    def _refuse_alike_and_overlapping(self) -> None:
        """Refuse tokens that normalizing makes empty or equal, and tokens that begin with white space beside rstrip.

        A token may begin in white space that another one with rstrip has taken. Upstream then gives both, with
        overlapping spans, or panics.
        """
        owners: dict[bytes, AddedToken] = {}
        for i, token in enumerate(self.tokens if self._normalizer is not None else ()):
            if not token.normalized:
                continue
            found = self.seen(token)
            if not found:
                raise UnsupportedError(f"the added token {token.content!r}, of which the normalizer leaves nothing",
                                       f"added_tokens[{i}]")
            if found in owners:
                raise UnsupportedError(f"the added tokens {owners[found].content!r} and {token.content!r}, which are "
                                       f"{found.decode()!r} when normalized", f"added_tokens[{i}]")
            owners[found] = token
        for normalized in {t.normalized for t in self.tokens if t.rstrip}:
            from dstok.unicode.properties import white_space  # needed by few models

            for i, token in enumerate(self.tokens):
                if token.normalized == normalized and self.seen(token).decode()[0] in white_space(self.unicode_version):
                    raise UnsupportedError("an added token that begins with white space beside one with rstrip",
                                           f"added_tokens[{i}]")

    @lazy
    def by_id(self) -> dict[int, AddedToken]:
        """Map each id to its token; of two tokens with one id, to the first."""
        return {token.id: token for token in reversed(self.tokens)}

    def seen(self, token: AddedToken) -> bytes:
        """Return the text by which a token is matched."""
        if not (self._normalizer and token.normalized):
            return token.content.encode()
        return (token.content.replace("\u2581", " ").encode() if token.literal
                else self._normalizer.normalize(token.content.encode()))

    def spelled(self, token: AddedToken, characters: bool) -> str:
        """Return the text by which a token is matched as upstream writes it: in a model of characters, with U+2581."""
        text = self.seen(token).decode()
        return text.replace(" ", "\u2581") if characters and token.normalized else text

    def decodings(self, characters: bool = False) -> list[tuple[int, bytes, bool]]:
        r"""List each token's id, the bytes that decoding gives, and whether decoding may leave it out as special.

        The rules are upstream's. If the token's text is a spelling in the byte-level alphabet, the bytes are those that
        it spells. In a model of characters, a space stands for U+2581 instead. Upstream looks up the text, which may be
        normalized, among the contents of the special tokens, which are not normalized.

        >>> tokens = AddedToken(7, "<think>", special=True), AddedToken(8, "õ"), AddedToken(9, "ab õ")
        >>> AddedTokens(tokens, "16.0").decodings()
        [(7, b'<think>', True), (8, b'\xf5', False), (9, b'ab \xc3\xb5', False)]
        """
        from dstok.formats.byte_alphabet import decoded_bytes, is_spelling  # not needed to encode

        special = {token.content for token in self.tokens if token.special}
        rows = []
        for token in self.tokens:
            if self.by_id[token.id] is not token:
                continue
            text = self.spelled(token, characters)
            if characters:
                data = text.replace("\u2581", " ").encode()
            else:
                data = decoded_bytes(text) if is_spelling(text) and not token.literal else text.encode()
            rows.append((token.id, data, text in special))
        return rows

    def policy(self, special: Special) -> Policy:
        """Return the policy that `special` names. Raises `ArgumentError` or `UnknownTokenError`."""
        key = special if isinstance(special, str) else _contents(special)
        policy = self._policies.get(key)
        if policy is None:
            tokens = () if key == "none" else self.tokens
            if not isinstance(key, str):
                tokens = tuple(t for t in self.tokens if t.content in key)
                if unknown := key - {t.content for t in tokens}:
                    raise UnknownTokenError(f"expected an added token in special, found {min(unknown)!r}")
            elif key not in ("all", "none", "raise"):
                raise ArgumentError(f"expected special to be {_CHOICES}, found {special!r}", "special")
            if len(self._policies) >= MAX_CACHED:
                self._policies.clear()
            policy = self._policies[key] = self._policy(tokens, refuses=key == "raise")
        return policy

    def _policy(self, tokens: tuple[AddedToken, ...], refuses: bool) -> Policy:
        kinds = [t for t in tokens if not t.normalized], [t for t in tokens if t.normalized]
        columns = [[*zip(*some)] or [()] * len(AddedToken._fields) for some in kinds]
        matchers: list[Matcher | None] = []
        for some, (_, _, single_word, lstrip, rstrip, *_) in zip(kinds, columns):
            words = _word_bits(self.unicode_version) if any(single_word) else b""
            matchers.append(Matcher([*zip(map(self.seen, some), single_word, lstrip, rstrip)], words) if some else None)
        (raw_ids, raw, *_), (normalized_ids, normalized, *_) = columns
        quick = None if refuses or normalized else self._without_runs(kinds[0])
        return Policy(matchers[0], matchers[1], raw_ids, normalized_ids, (raw, normalized), refuses, quick)

    def _without_runs(self, tokens: list[AddedToken]) -> Policy | None:
        """Return the policy without the tokens whose ids merging gives, too; None if there are no such tokens."""
        kept, whole = tokens, self._normalizer is None or not self._normalizer.prefix
        for char, ids in self._runs.items() if whole and not any(t.lstrip or t.rstrip for t in tokens) else ():
            having = [t for t in kept if char in t.content]
            wanted = {(char * length, id) for length, id in enumerate(ids, 1)}
            if {(t.content, t.id) for t in having} == wanted and not any(t.single_word for t in having):
                kept = [t for t in kept if char not in t.content]
        return None if kept is tokens else self._policy(tuple(kept), False)

    def _refuse_far(self, numbers: dict[bytes, int]) -> None:
        """Refuse a token that begins with a far shorter one, such as `<a>` and `<a>` with 5,000 more bytes.

        After the shorter one the matcher reads on for the longer one. If it does not find that, it reads the same text
        again. Time is linear in the text only if the text that is read twice has a bound.
        """
        begun: list[bytes] = []  # the tokens that this one begins with
        for content in sorted(numbers):
            while begun and not content.startswith(begun[-1]):
                begun.pop()
            if begun and len(content) - len(begun[0]) > MAX_BEYOND:
                raise UnsupportedError(
                    f"an added token that begins with {begun[0].decode()!r}, another one, and has more than "
                    f"{MAX_BEYOND} bytes after it", f"added_tokens[{numbers[content]}]")
            begun.append(content)


class TextOptions(NamedTuple):
    """Holds the keywords that all calls on texts share. replace: U+FFFD for faults; before, after: the BOS and EOS."""

    policy: Policy
    replace: bool
    before: list[int]
    after: list[int]

    @classmethod
    def of(
        cls, tok: Tokenizer, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> TextOptions:
        """Check the keywords. Raises `ArgumentError`, and `UnknownTokenError`."""
        return cls(tok._added.policy(special), replaces_faults(errors), tok._ends.before(add_bos),
                   tok._ends.after(add_eos))

    @property
    def extra(self) -> int:
        """Return the number of ids around a text."""
        return len(self.before) + len(self.after)


@cache
def _word_bits(unicode_version: str) -> bytes:
    r"""Return a bitmap of the characters that upstream's `single_word` takes for `\w`: Rust's class, with joiners."""
    from dstok.unicode.properties import CodePointSet, word  # needed by few models

    flags = bytearray(b"0") * 0x110000
    joiners = CodePointSet.from_ranges([(0x200C, 0x200D)])
    for first, last in (word(unicode_version, in_class=True) | joiners).ranges:
        flags[first : last + 1] = b"1" * (last - first + 1)
    return int(flags[::-1], 2).to_bytes(0x110000 // 8, "little")


def _contents(special: object) -> frozenset[str]:
    if not isinstance(special, AbstractSet | list | tuple):
        raise ArgumentError(f"expected special to be {_CHOICES}, found {type(special).__name__}", "special")
    if others := [content for content in special if not isinstance(content, str)]:
        raise ArgumentError(f"expected texts of added tokens in special, found {type(others[0]).__name__}", "special")
    return frozenset(special)
