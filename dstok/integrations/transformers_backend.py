"""The state of the `tokenizers.Tokenizer` that a tokenizer of transformers holds.

In: a backend, which others may change. Out: whether it is still the one that an engine was made from; how its calls
encode. Invariant: truncation, padding and `encode_special_tokens` belong to a call. The backend has those of the last
call whenever others may hold it: it gets them when it is handed out, and then at once until nothing else holds it.
Meanwhile each call compares the backend with the engine's source. So dstok gives the backend's present result, and no
thread changes another one's settings.
Source: the calls of transformers 4.57.6 and 5.24.0.
"""

from __future__ import annotations

import sys
from collections import Counter
from threading import Lock, RLock
from typing import Any, NamedTuple
from weakref import ref

import tokenizers

from dstok.errors import DstokError
from dstok.integrations.transformers_engine import Engine, deep_marks, engine_of, marks
from dstok.integrations.transformers_framing import CallSettings, KeptSettings

__all__ = ["PLAIN", "Backing", "Wanted", "backing_of", "known_backing"]

ATTRIBUTE = "_dstok"  # of backend and tokenizer; copies and pickles of a backend lose it


class Wanted(NamedTuple):
    """The settings of a call. The backend has them after it."""

    truncation: dict[str, Any] | None
    padding: dict[str, Any] | None
    split_special: bool


PLAIN = Wanted(None, None, False)


class _Owner:
    def __init__(self) -> None:
        self._tokenizer = object()


_owner = _Owner()
ALONE = sys.getrefcount(_owner.__dict__["_tokenizer"]) - 1  # this count for an object that nothing else holds


class Backing:
    """The known state of one backend. All tokenizers of transformers that hold it share this."""

    def __init__(self, real: tokenizers.Tokenizer, made: tuple[Engine | None, Any, Any] | None = None) -> None:
        self.lock, self._tally_lock = RLock(), Lock()
        self.engine: Engine | None = None
        self.reason = ""  # why there is no engine
        self.handed_out = False  # whether someone may hold the backend, or change it before it is next compared
        self.done: Counter[str] = Counter()  # the work of dstok
        self.given: Counter[str] = Counter()  # the work of the backend
        self._owners: list[ref[Any]] = []
        self._settings = KeptSettings()
        self._seen: Any = None
        self._deep: Any = None
        with self.lock:
            self.wanted = _settings_of(real)
            if made is None:
                self._remake(real)
            else:  # a copy of a backend whose engine exists
                self.engine, self._seen, self._deep = made

    def owned_by(self, owner: Any) -> None:
        """Notes a tokenizer of transformers that holds the backend."""
        self._owners.append(ref(owner, self._owners.remove))

    def left_by(self, owner: Any) -> None:
        """Notes that this tokenizer will hold another backend."""
        with self.lock:
            self._owners[:] = [each for each in self._owners if each() is not owner]

    def ready(self, owner: Any) -> Engine | None:
        """The engine, if the backend is unchanged, else a new one made from the present backend."""
        others = sys.getrefcount(owner.__dict__["_tokenizer"]) - ALONE - len(self._owners)
        real = owner.__dict__["_tokenizer"]
        same = self.has_components_of(real)
        if not same or self.handed_out or others > 0:
            with self.lock:
                self._check(real, same)
                self.handed_out = self.handed_out and others > 0  # last: until then other threads come here, and wait
        return self.engine

    def has_components_of(self, real: tokenizers.Tokenizer) -> bool:
        """Whether the engine, or the lack of one, is that of a backend with these components."""
        try:
            return bool(marks(real) == self._seen)
        except Exception:  # a component of the user's may raise anything when it gives its state
            return self.engine is None

    def want(self, owner: Any, wanted: Wanted) -> None:
        """Notes the settings of a new call."""
        with self.lock:
            self.wanted = wanted
            if self.handed_out:
                self.settle(owner.__dict__["_tokenizer"], wanted)

    def take_out(self, owner: Any) -> tokenizers.Tokenizer:
        """The backend, with the settings of the last call, for a caller that may read or change it."""
        with self.lock:
            real: tokenizers.Tokenizer = owner.__dict__["_tokenizer"]
            self.catch_up(real)
            self.handed_out = True
        return real

    def catch_up(self, real: tokenizers.Tokenizer) -> None:
        """Gives the backend the settings of the last call, unless it has them. The lock is held.

        While others may hold it, it already has them, or the settings that the others chose.
        """
        if not self.handed_out:
            self.settle(real, self.wanted)

    def settle(self, real: tokenizers.Tokenizer, wanted: Wanted) -> None:
        """Gives the backend these settings. The lock is held."""
        if wanted.truncation != real.truncation:  # setting the same may raise: the post-processor may have changed
            real.no_truncation() if wanted.truncation is None else real.enable_truncation(**wanted.truncation)
        if wanted.padding != real.padding:
            real.no_padding() if wanted.padding is None else real.enable_padding(**wanted.padding)
        if wanted.split_special != real.encode_special_tokens:
            real.encode_special_tokens = wanted.split_special

    def settings(self, owner: Any, wanted: Wanted, add_special: bool) -> CallSettings:
        """How a call with these settings encodes."""
        return self._settings.get(owner.__dict__["_tokenizer"].post_processor, *wanted, add_special)

    def pass_on(self, owner: Any, other: Any) -> None:
        """Gives the known state to a copy of `owner`, with a copy of the backend. The lock is held."""
        self.ready(owner)
        real = other.__dict__["_tokenizer"]
        if self.engine is None or marks(real) != self._seen or deep_marks(real) != self._deep:
            return
        setattr(real, ATTRIBUTE, Backing(real, (self.engine, self._seen, self._deep)))

    def tell(self, what: str, reason: str = "") -> None:
        """Notes a call that dstok did, or, with a reason, one that the backend did."""
        with self._tally_lock:
            if reason:
                self.given[f"{what}: {reason}"] += 1
            else:
                self.done[what] += 1

    def _check(self, real: tokenizers.Tokenizer, same: bool) -> None:
        """Compares the backend as a whole. The lock is held."""
        if self.handed_out:
            self.wanted = _settings_of(real)
        try:
            same = same and deep_marks(real) == self._deep
        except Exception:
            same = same and self.engine is None
        if not same:
            self._remake(real)

    def _remake(self, real: tokenizers.Tokenizer) -> None:
        """Makes an engine from the present backend.

        It is noted as seen last, so that no thread uses the old engine for it.
        """
        engine, reason, seen, deep = None, "", None, None
        try:
            seen, deep = marks(real), deep_marks(real)
            engine = engine_of(real)
        except DstokError as error:
            reason = str(error)
        except Exception as error:
            reason = f"a component that cannot be read: {error}"
        self.engine, self.reason, self._deep = engine, reason, deep
        self._seen = seen


def backing_of(owner: Any) -> Backing:
    """The `Backing` of a tokenizer's backend, made on first use."""
    backing: Backing | None = owner.__dict__.get(ATTRIBUTE)
    if backing is not None:
        return backing
    real = owner.__dict__["_tokenizer"]
    backing = getattr(real, ATTRIBUTE, None)
    if backing is None:
        backing = Backing(real)
        setattr(real, ATTRIBUTE, backing)
    backing.owned_by(owner)
    owner.__dict__[ATTRIBUTE] = backing
    return backing


def known_backing(real: Any) -> Backing | None:
    """The `Backing` that an accelerated tokenizer made for a backend; None if its components are others."""
    backing: Backing | None = getattr(real, ATTRIBUTE, None)
    return backing if backing is not None and backing.has_components_of(real) else None


def _settings_of(real: tokenizers.Tokenizer) -> Wanted:
    return Wanted(real.truncation, real.padding, real.encode_special_tokens)
