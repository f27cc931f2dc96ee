"""The page of the manual: `man dstok`, made of the parser by the package argparse-manpage.

In: the installed dstok. Out: the page, on standard output. Invariant: the page says only what the parser says. The
parts of its epilog stand under the names that man-pages(7) has for them.

    python release/manual.py > dstok.1; man ./dstok.1
"""

from __future__ import annotations

import re

from argparse_manpage.manpage import Manpage

import dstok
from dstok.cli.app import parser_of

SECTIONS = {".SH COMMENTS\n": ".SH NOTES\n", "\nexit codes: ": ".SH EXIT STATUS\n", "\nexample:\n": ".SH EXAMPLES\n"}


def page() -> str:
    """The page, in the language of `man`."""
    made = Manpage(parser_of(), {"version": dstok.__version__, "manual_title": "dstok",
                                    "description": "exact tokens of DeepSeek models"})
    text = str(made)
    for found, section in SECTIONS.items():
        before, after = text.rsplit(found, 1)  # the epilog's, at the end
        text = before + section + after
    return re.sub(r"^\.TH .*", lambda title: title[0].replace("\\-", "-"), text)  # a date is no option


if __name__ == "__main__":
    print(page())
