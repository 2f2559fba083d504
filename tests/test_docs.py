"""The documentation: its links lead somewhere, and what it names of the code exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# A file of the code, and behind a colon what is in it: `dae_tui/errors.py`: `DaeError`, `ExitCode`
NAMED = re.compile(
    r"`((?:dae_tui|commands|models|tests)/[\w./]+\.py)`((?::|, or| and)(?: `[\w.]+`,?(?: and)?)+)?"
)


def text_of(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_functions_that_are_named_exist(page: Path) -> None:
    for path, names in NAMED.findall(text_of(page)):
        if "NAME" in path or "KIND" in path:
            continue
        source = (ROOT / path).read_text()
        for name in re.findall(r"`([\w.]+)`", names):
            for part in name.split("."):
                assert re.search(rf"\b{re.escape(part)}\b", source), f"{path}: {name}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 1500


def test_no_picture_lies_among_the_published_weights() -> None:
    kinds = {path.suffix for path in (ROOT / "models" / "weights").iterdir()}
    assert kinds == {".safetensors", ".md"}
