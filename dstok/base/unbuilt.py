"""The error for an import of dstok's source without its compiled modules.

In: the name of a module that was not found. Out: an `ImportError` that says what to do.
Invariant: this module uses no compiled module. The usual cause is a clone. Before Python searches the installed
modules, it looks beside the script, or, without a script (`python`, `python -m`, `python -c`), in the folder where it
started. In a clone it finds dstok's source there, without compiled modules unless it was built in place.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["unbuilt"]


def unbuilt(name: str) -> ImportError:
    """The error for a compiled module that is missing.

    >>> print(str(unbuilt("dstok.core.run._encode")).partition(",")[0])
    expected the compiled module dstok.core.run._encode
    """
    folder = Path(__file__).resolve().parent.parent
    return ImportError(
        f"expected the compiled module {name}, found only dstok's source, in {folder}: Python takes what lies in the "
        "folder that it was started in before what is installed. After `pip install .`, start it in another folder, "
        "with a script's path, or as `python -P` (3.11 or later). To use this source itself, build it in place: "
        "`pip install -e .`", name=name, path=str(folder))
