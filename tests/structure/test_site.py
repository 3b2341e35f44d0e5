"""How the site is made: a page for every public name, a gallery of whatever notebooks there are."""

import importlib
import json
from pathlib import Path

import pytest

from docs import generate


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "api"
    generate.api_pages(folder)
    return folder


@pytest.mark.parametrize("package", [p for p in generate.PACKAGES if p not in ("crmintel", "crmintel.spark")])
def test_every_public_name_is_on_the_page_of_its_package(package: str, api: Path) -> None:
    page = (api / f"{package}.rst").read_text(encoding="utf-8")
    made_here, borrowed = generate.homes()[package], set(generate.public(package)) - set(generate.homes()[package])
    assert [n for n in made_here if f"   {n}\n" not in page] == []
    assert [n for n in borrowed if f"`{n} <" not in page] == []
    module = importlib.import_module(package)
    assert [n for n in borrowed if getattr(module, n).__module__.startswith(f"{package}.")] == []


def test_the_spark_page_is_made_without_spark(api: Path) -> None:
    assert "   freeze\n" in (api / "crmintel.spark.rst").read_text(encoding="utf-8")


@pytest.mark.slow
def test_names_that_differ_by_capitals_only_get_files_that_differ() -> None:
    named = [
        generate.filenames().get(f"{p}.{n}", f"{p}.{n}").lower() for p, names in generate.homes().items() for n in names
    ]
    assert len(named) == len(set(named))


def test_a_name_is_described_once_and_where_it_is_made() -> None:
    assert "KaplanMeier" in generate.homes()["crmintel.evaluation"]
    assert "KaplanMeier" not in generate.homes()["crmintel.churn"]


def test_a_result_knows_what_returns_it() -> None:
    assert generate.makers("crmintel.segmentation", "Migration") == ["migration", "transitions"]
    assert "DecisionLog.verify" in generate.makers("crmintel.actions", "Verification")


def test_the_gallery_shows_whatever_notebooks_there_are(tmp_path: Path) -> None:
    source, folder = tmp_path / "examples", tmp_path / "gallery"
    source.mkdir()
    generate.copy_notebooks(source, folder)
    assert "no notebooks" in (folder / "index.md").read_text(encoding="utf-8")
    cells = [{"cell_type": "markdown", "source": ["# Cups\n", "\n", "Who buys them? And\n", "why."]}]
    (source / "02_cups.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    generate.copy_notebooks(source, folder)
    page = (folder / "index.md").read_text(encoding="utf-8")
    assert "Cups\n:link: 02_cups" in page
    assert "Who buys them?\n" in page
    assert (folder / "02_cups.ipynb").exists()
    (source / "02_cups.ipynb").unlink()
    generate.copy_notebooks(source, folder)
    assert not (folder / "02_cups.ipynb").exists()


def test_every_command_and_option_is_on_the_page() -> None:
    page = generate.commands()
    for words in ("## crmintel run", "## crmintel bundle verify", "`--tracking-uri`", "| `SOURCE` |", "| `--port` |"):
        assert words in page


def test_every_bar_that_was_missed_is_told() -> None:
    kept = [
        json.loads(line)
        for path in (Path(generate.HERE) / "benchmarks").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    page = (generate.HERE / "comparison.md").read_text(encoding="utf-8")
    behind = generate.inside(page, "missed")
    assert [row["what"] for row in kept if row["holds"] is False and row["what"] not in behind] == []
