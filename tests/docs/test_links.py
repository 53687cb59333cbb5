"""Files and commands that the documents name exist."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY

DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: object) -> None:
    path = REPOSITORY / str(document)
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: object) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = {name for line in re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE) for name in line.split()}
    for target in re.findall(r"(?:^|`)make ([a-z][a-z-]+)", (REPOSITORY / str(document)).read_text(), re.MULTILINE):
        assert target in targets, f"there is no `make {target}`"


def test_every_run_time_dependency_has_its_line() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {
        re.split(r"[<>=~;\s]", item)[0] for item in project["dependencies"] + extras["worker"] + extras["embedded"]
    }
    text = (REPOSITORY / "docs" / "dependencies.md").read_text()
    assert not [name for name in wanted if not re.search(rf"\b{re.escape(name)}\b", text)]
