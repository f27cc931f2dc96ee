"""Arrow's C data interface, filled in by hand: an array of any numbers, which no library has looked at.

In: a format, buffers as numpy arrays, lengths and offsets. Out: an object with `__arrow_c_array__`.
Invariant: what is exported lives as long as the process. The process ends by `os._exit`: release callbacks of Python
cannot run once its modules are gone.
Source: the Arrow C data interface.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

Pointer = ctypes.c_void_p


class CSchema(ctypes.Structure):
    """`struct ArrowSchema`."""


class CArray(ctypes.Structure):
    """`struct ArrowArray`."""


SchemaRelease = ctypes.CFUNCTYPE(None, ctypes.POINTER(CSchema))
ArrayRelease = ctypes.CFUNCTYPE(None, ctypes.POINTER(CArray))
CSchema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", Pointer), ("dictionary", ctypes.POINTER(CSchema)),
    ("release", SchemaRelease), ("private_data", Pointer)]
CArray._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", Pointer), ("children", Pointer),
    ("dictionary", ctypes.POINTER(CArray)), ("release", ArrayRelease), ("private_data", Pointer)]

KEPT: list[Any] = []
NULLABLE = 2


@SchemaRelease  # type: ignore[untyped-decorator]
def _release_schema(schema: Any) -> None:
    schema.contents.release = SchemaRelease()


@ArrayRelease  # type: ignore[untyped-decorator]
def _release_array(array: Any) -> None:
    array.contents.release = ArrayRelease()


class Made:
    """An array with the numbers that it is given; `inner` is its child or, with `dictionary`, its dictionary."""

    def __init__(
        self, form: str, length: int, buffers: Sequence[Any], *, offset: int = 0, null_count: int = -1,
        inner: Made | None = None, dictionary: bool = False,
    ) -> None:
        self.schema = CSchema(format=form.encode(), name=b"", flags=NULLABLE, release=_release_schema)
        places = (Pointer * max(1, len(buffers)))(*[None if one is None else one.ctypes.data for one in buffers])
        self.array = CArray(length=length, null_count=null_count, offset=offset, n_buffers=len(buffers),
                            buffers=ctypes.cast(places, Pointer), release=_release_array)
        KEPT.append((self, places, buffers))
        for outer, within in [(self.schema, inner.schema), (self.array, inner.array)] if inner else []:
            if dictionary:
                outer.dictionary = ctypes.pointer(within)
            else:
                child = (Pointer * 1)(ctypes.addressof(within))
                KEPT.append(child)
                outer.n_children, outer.children = 1, ctypes.cast(child, Pointer)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        capsule = ctypes.pythonapi.PyCapsule_New
        capsule.restype, capsule.argtypes = ctypes.py_object, [Pointer, ctypes.c_char_p, Pointer]
        return (capsule(ctypes.addressof(self.schema), b"arrow_schema", None),
                capsule(ctypes.addressof(self.array), b"arrow_array", None))
