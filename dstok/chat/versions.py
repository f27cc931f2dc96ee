"""The versions of DeepSeek's chat formats: names, references and options, from `versions.json`.

In: a version's name, or a model's name on the hub. Out: a `Version`. Invariant: a name always means the same format. A
name that has meant several formats is refused, with the list of them. Nothing is guessed from the messages.
Source: of references, docs/chat.md; of dates, the change log of DeepSeek's API, api-docs.deepseek.com/updates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from dstok.errors import ChatError

VersionName = Literal["v2", "v2.5", "v3", "v3-0324", "r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp", "v3.2",
                      "v4-preview", "v4-0731", "v4.1"]


@dataclass(frozen=True)
class Version:
    """A version of the format.

    reference: the text equals this one's. options: those of `render` for it, with their defaults; `thinking` is also
    known as `enable_thinking`, and as `thinking_mode`, "thinking" or "chat". models: the built-in models whose
    tokenizer these conversations have. opens: whether the text ends with the opener of an answer if
    `add_generation_prompt` is not given. takes_tools: whether the format describes `tools` to the model. hub: the
    models on the hub that came with it, without "deepseek-ai/". released: the day of the first, "" if unknown.
    """

    name: VersionName
    reference: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    models: tuple[str, ...] = ()
    opens: bool = False
    takes_tools: bool = False
    hub: tuple[str, ...] = ()
    released: str = ""


_DATA = json.loads(Path(__file__).with_name("versions.json").read_text("utf-8"))
_VERSIONS = tuple(
    Version(row["name"], row["reference"], MappingProxyType(row.get("options", {})), tuple(row.get("models", ())),
            row.get("opens", False), row.get("takes_tools", False), tuple(row.get("hub", ())), row.get("released", ""))
    for row in _DATA["versions"])
_BY_NAME: dict[str, Version] = {version.name: version for version in _VERSIONS}
_BY_HUB = {name.lower(): version for version in _VERSIONS for name in version.hub}
_MOVING = _DATA["moving"]  # names of DeepSeek's API: the formats of the models that each has meant, oldest first


def versions() -> tuple[Version, ...]:
    """All versions, oldest first.

    >>> [version.name for version in versions()][-3:]
    ['v4-preview', 'v4-0731', 'v4.1']
    """
    return _VERSIONS


def find_version(name: str) -> Version:
    """The version of that name. Raises `ChatError`, which lists all names."""
    version = _BY_NAME.get(name) if isinstance(name, str) else None
    if version is None:
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, found {name!r}", field="version")
    return version


def version_of(model: str) -> Version:
    """The version of a model on the hub, in any case, with "deepseek-ai/" before it or without.

    Raises `ChatError` for a name of DeepSeek's API, which has meant several models, and for an unknown one. A name that
    both have, as V4's, is the hub's with "deepseek-ai/".

    >>> version_of("deepseek-ai/DeepSeek-V3.1").name
    'v3.1'
    >>> version_of("deepseek-v4-pro")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dstok.errors.ChatError: ... a name of DeepSeek's API: since 2026-04-24 v4-preview, 2026-07-31 v4-0731
    """
    name = model.lower() if isinstance(model, str) else ""
    moving = _MOVING.get(name)
    if moving is not None:
        since = ", ".join(f"{_BY_NAME[version].released} {version}" for version in moving)
        raise ChatError(f"expected a model of one format, found {model!r}, a name of DeepSeek's API: since {since}",
                        field="model")
    found = _BY_HUB.get(name.removeprefix("deepseek-ai/"))
    if found is None:
        known = ", ".join(name for version in _VERSIONS for name in version.hub)
        raise ChatError(f"expected a model whose format is known, one of {known}, found {model!r}", field="model")
    return found


def own_version(model: str) -> Version:
    """The first version that has a built-in model's tokenizer. Raises `ChatError` for models that have none."""
    own = next((version for version in _VERSIONS if model in version.models), None)
    if own is None:
        which = f"the model {model}" if model else "a loaded model"
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, as {which} has no format of its own",
                        field="version")
    return own
