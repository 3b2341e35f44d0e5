"""Run the notebooks: `python examples/run.py [names]` stores their outputs, with `--check` it only says whether they still run."""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def code_digest(notebook: Any) -> str:
    """SHA-256 of the code cells, in order: outputs that were stored beside it belong to this code."""
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256("\0".join(cells).encode()).hexdigest()


def run(path: Path) -> Any:
    """The notebook with fresh outputs and nothing that varies from run to run or from machine to machine.

    Raises
    ------
    CellExecutionError
        If a cell fails.
    RuntimeError
        If a cell warns: whatever is written to stderr would be stored for readers to wonder about.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:  # what a notebook writes is not left behind
        place, quiet = {"metadata": {"path": folder}}, ["--log-level=ERROR"]
        NotebookClient(notebook, timeout=300, coalesce_streams=True, resources=place, extra_arguments=quiet).execute()
    for number, cell in enumerate(notebook.cells, 1):
        cell.id, cell.metadata = f"c{number:02d}", {}
        for output in cell.get("outputs", []):
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path.name}, cell {number} wrote to stderr:\n{output.text}")
    notebook.metadata = {**METADATA, "code_sha256": code_digest(notebook)}
    return notebook


def texts(notebook: Any) -> list[str]:
    """What each cell printed or showed as plain text."""
    return [
        "".join(
            output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])
        )
        for cell in notebook.cells
    ]


def said_otherwise(kept: Any, fresh: Any) -> list[str]:
    """Which cells say something else than what is stored: not wrong by itself, another processor rounds otherwise."""
    pairs = enumerate(zip(texts(kept), texts(fresh), strict=True), 1)
    return [f"  cell {number} says something else than what is stored" for number, (a, b) in pairs if a != b]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as 01_first_look; all notebooks if none is given")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a cell fails")
    options = parser.parse_args()
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(threads, "1")
    os.environ["PYTHONHASHSEED"] = "0"
    paths = [HERE / f"{Path(name).stem}.ipynb" for name in options.names] or sorted(HERE.glob("*.ipynb"))
    failed = 0
    for path in paths:
        began = time.perf_counter()
        try:
            fresh = run(path)
        except (CellExecutionError, RuntimeError) as error:
            failed += 1
            print(f"{path.name}: FAILED\n{error}", file=sys.stderr)
            continue
        differences = said_otherwise(nbformat.read(path, as_version=4), fresh) if options.check else []
        if not options.check:
            nbformat.write(fresh, path)
        print(f"{path.name}: {time.perf_counter() - began:.0f} s", *differences, sep="\n", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
