"""The page of the manual: `man dstok`, made of the parser by the package argparse-manpage.

In: the installed dstok. Out: the page, on standard output. Invariant: nothing is written here that the parser does
not say.

    python release/manual.py > dstok.1; man ./dstok.1
"""

from __future__ import annotations

from argparse_manpage.manpage import Manpage

import dstok
from dstok.cli.app import whole_parser


def page() -> str:
    """The page, in the language of `man`."""
    made = Manpage(whole_parser(), {"version": dstok.__version__, "manual_title": "dstok",
                                    "description": "exact tokens of DeepSeek models"})
    return str(made)


if __name__ == "__main__":
    print(page())
