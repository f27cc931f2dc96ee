"""Which automata the mask kernel stands for: fingerprint -> rules.

In: an automaton's fingerprint (`DFA.fingerprint`). Out: the number of the rules that the core has for it
(core/_kernel.h), 0 for none, and the SHA-256 of the automaton's table, by which an image shows that it has it.
Invariant: the rules are held against the automaton by tests, and used only for it (test_kernel.py, test_words.py).
Whatever Unicode version and vocabulary: these do not show in the fingerprint.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KERNELS", "NONE", "V3", "Kernel", "rules_of"]

NONE, V3, ONES, THREES, CASED = range(5)  # as in core/_kernel.h


class Kernel(NamedTuple):
    """`rules`, and `edges`: the SHA-256 of the section of that name."""

    rules: int
    edges: str


KERNELS = {
    # DeepSeek V3, R1, V4, OCR, VL2
    "3f149c5fd6a93be356032eb6fc80ba6b95d78b81115fec1f667283f5b8dc4c37": Kernel(
        V3, "989fe4933f6628a530b4321a8a7814f213c79df7c063e57f1119a22416a1bfc7"),
    # Qwen 2, 2.5, 3
    "a43ae4b1a0c316943c3586a1e49a2be59cb6647afdd8fe12661838c69868b06f": Kernel(
        ONES, "42b4270a82df3c71f59e4d95cdbdf6c7e9c865f01ecba24a7f49557f82f142f6"),
    # Qwen 3.5
    "44f0826ccb711e73f84d15c000f300a310dbd6ae019f6eff32f72079c06c30dc": Kernel(
        ONES, "d930289c4eb4bd8a29dfaccc4522d119a4740e4171d0e2af4621015601b440b4"),
    # Llama 3, GLM
    "b4aeb545a005e79baf3e82f0d2b403325b7c2cdf2ec2b1b554f0087b8d013dd3": Kernel(
        THREES, "997a908dde9d1df2ae5d7ba971e59f2ce9dd9829c7331a880412d2f70dccbf70"),
    # MiniMax, o200k
    "63596f7ab92576a9ff1df543ebe497647d9306d8816cf13cfa13ee4a7f17c78b": Kernel(
        CASED, "1e7e0b6b8a317a91b5ae2dffabb9c6409485035b8211f018bff4fde9e60c9f71"),
}


def rules_of(automaton: str) -> int:
    """The rules for an automaton's fingerprint; `NONE` if the kernel does not know it."""
    kernel = KERNELS.get(automaton)
    return kernel.rules if kernel else NONE
