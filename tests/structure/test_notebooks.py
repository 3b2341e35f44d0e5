"""The notebooks under examples: outputs belong to the code, nothing of a machine is in them, and each ends with a decision."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from examples.run import code_digest, run, said_otherwise

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
ABSOLUTE = re.compile(r"(?<![\w:/.<])/(?:tmp|home|root|usr|var|opt|mnt|private|Users|work)/|\b[A-Z]:\\\\?Users")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: Any) -> str:
    return "".join(cell["source"])


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def outputs(path: Path) -> list[Any]:
    return [output for cell in code_cells(path) for output in cell["outputs"]]


def test_there_are_notebooks_and_the_table_names_each() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) >= 11
    assert [path.name for path in NOTEBOOKS if f"({path.name})" not in table] == []


@each_notebook
def test_the_outputs_belong_to_the_code(path: Path) -> None:
    notebook = read(path)
    assert notebook["metadata"]["code_sha256"] == code_digest(notebook), f"python examples/run.py {path.stem}"


@each_notebook
def test_no_cell_failed_or_warned(path: Path) -> None:
    assert [o for o in outputs(path) if o["output_type"] == "error" or o.get("name") == "stderr"] == []
    assert re.search(r"[a-z]Warning: ", "".join(line for o in outputs(path) for line in o.get("text", []))) is None


@each_notebook
def test_a_cell_that_prints_or_shows_has_an_output(path: Path) -> None:
    shows = re.compile(r"^(?:print\(|Picture\()", re.MULTILINE)
    assert [source(c) for c in code_cells(path) if shows.search(source(c)) and not c["outputs"]] == []


@each_notebook
def test_pictures_are_drawn(path: Path) -> None:
    drawn = ["".join(o["data"]["image/svg+xml"]) for o in outputs(path) if "image/svg+xml" in o.get("data", {})]
    assert len(drawn) >= 2
    assert all(len(picture) > 1_000 for picture in drawn)


@each_notebook
def test_nothing_of_a_machine_or_a_run_is_kept(path: Path) -> None:
    notebook = read(path)
    assert ABSOLUTE.search(path.read_text(encoding="utf-8")) is None
    assert set(notebook["metadata"]) == {"kernelspec", "language_info", "code_sha256"}
    assert [cell["id"] for cell in notebook["cells"]] == [f"c{i:02d}" for i in range(1, len(notebook["cells"]) + 1)]
    assert all(cell["metadata"] == {} for cell in notebook["cells"])
    # What varies from run to run: the address of an object, and the time in a log line.
    assert re.search(r"\bat 0x[0-9a-f]{6,}|\d{2}:\d{2}:\d{2} INFO", path.read_text(encoding="utf-8")) is None


@each_notebook
def test_it_begins_with_a_title_and_what_the_reader_will_decide(path: Path) -> None:
    first = read(path)["cells"][0]
    title, *paragraphs = source(first).split("\n\n")
    assert first["cell_type"] == "markdown"
    assert title.startswith("# ")
    assert len(paragraphs) == 1
    assert "you will decide" in paragraphs[0].lower()


@each_notebook
def test_it_ends_with_a_decision_whose_numbers_are_printed_by_the_last_code(path: Path) -> None:
    cells = read(path)["cells"]
    assert cells[-1]["cell_type"] == "markdown"
    text = source(cells[-1])
    assert text.startswith("## Decision\n")
    assert "**What would prove it:**" in text or "**What proves it:**" in text
    # Numbers in prose drift away from those that are computed; a link to a notebook is no such number.
    assert re.search(r"\d", re.sub(r"\[notebook \d\]\([^)]*\)", "", text, flags=re.IGNORECASE)) is None
    assert "print(" in source(cells[-2])
    assert cells[-2]["outputs"]


@each_notebook
def test_it_is_short_to_read_and_small_to_load(path: Path) -> None:
    cells = read(path)["cells"]
    assert path.stat().st_size <= 500_000
    assert [source(c) for c in code_cells(path) if len(source(c).splitlines()) > 12] == []
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", "".join(source(c) for c in cells if c["cell_type"] == "markdown"))
    assert [link for link in links if not (EXAMPLES / link).is_file()] == []


def notebook_of(tmp_path: Path, code: str) -> Path:
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    return path


@pytest.mark.slow
def test_a_run_keeps_what_was_said_and_nothing_of_the_machine(tmp_path: Path) -> None:
    path = notebook_of(tmp_path, "print('four', 2 + 2)")
    before = path.read_bytes()
    fresh = run(path)
    assert fresh.cells[0].outputs == [{"output_type": "stream", "name": "stdout", "text": "four 4\n"}]
    assert (fresh.cells[0].id, fresh.cells[0].metadata) == ("c01", {})
    assert fresh.metadata["code_sha256"] == code_digest(fresh)
    assert path.read_bytes() == before
    assert said_otherwise(fresh, fresh) == []
    assert len(said_otherwise(nbformat.read(path, as_version=4), fresh)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "error"),
    [("1 / 0", CellExecutionError), ("import warnings\nwarnings.warn('odd')", RuntimeError)],
    ids=["a cell fails", "a cell warns"],
)
def test_a_cell_that_fails_or_warns_stops_the_run(tmp_path: Path, code: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(notebook_of(tmp_path, code))
