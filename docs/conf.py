"""How Sphinx builds the documentation.

In: the pages of this folder, the docstrings of the installed dstok, and its command's parser. Out: HTML that needs
nothing from the network. Invariant: a warning is an error, so a broken link or a docstring that cannot be read ends it.

    sphinx-build -W --keep-going -q docs build/docs            # then open build/docs/index.html
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # for the extensions below; last: the installed dstok is documented

from sphinx.application import Sphinx

import dstok

project, author, copyright = "dstok", "dstok developers", "dstok developers"
version = release = dstok.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "command_reference", "docstrings", "glossary_links"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # headings of the first three ranks can be linked to
myst_enable_extensions = ["colon_fence"]

default_role = "code"  # docstrings write `names` as Markdown does
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
LIBRARIES = ("chonkie", "langchain_text_splitters", "llguidance", "outlines_core", "tiktoken", "tokenizers",
             "transformers")
autodoc_mock_imports = list(LIBRARIES)  # to import them takes longer than the rest
autodoc_class_signature = "separated"  # most objects are made by calls, not by their class
smartquotes = False
maximum_signature_line_length = 90

html_theme = "furo"  # fonts of the system, light and dark
html_title = f"dstok {release}"
html_static_path = ["_static"]
html_css_files = ["dstok.css"]
html_js_files = ["filter.js"]
html_show_sourcelink = False


def list_further_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Pages of this folder that the index names nowhere are listed at its end."""
    names = {path.stem for path in Path(app.srcdir).glob("*.md")} - {"index", *re.findall(r"(?m)^(\w+)$", source[0])}
    listed = "\n".join(["```{toctree}", ":caption: Further pages", ":hidden:", "", *sorted(names), "```"])
    source[0] = source[0].replace("<!-- further pages -->", listed if names else "")


def write_llms_txt(app: Sphinx, error: Exception | None) -> None:
    """The site's map for language models (llmstxt.org): each page of the index by caption, with its first sentence."""
    index = (Path(app.srcdir) / "index.md").read_text(encoding="utf-8")
    lines = [f"# {project}", "", f"> {first_sentence(index)}"]
    for block in re.findall(r"(?ms)^```\{toctree\}$(.*?)^```$", index):
        lines += ["", "## " + block.split(":caption: ")[1].split("\n")[0], ""]
        for name in re.findall(r"(?m)^([\w/]+)$", block):
            page = Path(app.srcdir) / f"{name}.md"
            text = (page if page.exists() else page.with_suffix(".rst")).read_text(encoding="utf-8")
            said = f": {first_sentence(text)}" if page.exists() and not name.startswith("reference/") else ""
            lines.append(f"- [{text.lstrip('# ').partition(chr(10))[0]}]({name}.html){said}")
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def first_sentence(page: str) -> str:
    """The first sentence of a page's first paragraph, without links."""
    paragraph = next(part for part in page.split("\n\n")[1:] if part[:1].isalpha() or part.startswith(("`", "*")))
    plain = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", " ".join(paragraph.split()))
    return re.split(r"(?<=[.:])\s", plain + " ")[0].rstrip(":")


def setup(app: Sphinx) -> None:
    """Connects the functions of this file with Sphinx, which calls this one first."""
    app.connect("source-read", list_further_pages)
    app.connect("build-finished", write_llms_txt)
