"""Helpers for every room, such as checks of texts and ids from callers. They use no room but `dstok.errors`."""
