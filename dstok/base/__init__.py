"""What every room may use, and which uses none but `dstok.errors`: texts and ids as callers give them, and helpers."""
