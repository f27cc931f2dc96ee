LEVELS: tuple[str, ...]

def levels() -> list[str]:
    """The names of the levels that this processor can run, the best last."""

def chosen_level() -> str:
    """The name of the level for new objects: DSTOK_SIMD's, or the best. Raises `SettingError` for a wrong one."""

def choose_level(name: str) -> None:
    """Makes new objects run at a level. For tests, which compare levels. Raises `SettingError` for a wrong one."""

def emulated() -> bool:
    """Whether the levels above "portable" are emulated, on any processor: in a build for tests (see setup.py)."""

def level_shown(name: str) -> str:
    """The name of a level as people see it: "avx512 (emulated)"."""
