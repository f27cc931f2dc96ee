"""Helpers for every room: texts and ids as callers give them, and others. They use no room but `dstok.errors`."""
