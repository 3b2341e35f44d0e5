"""What importing costs, and what is public."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import crmintel

HEAVY = ("mlflow", "lightgbm", "matplotlib", "sklearn", "duckdb", "pandas", "rich", "typer")
PACKAGES = sorted({m.name for m in pkgutil.walk_packages(crmintel.__path__, "crmintel.")} - {"crmintel.__main__"})


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import crmintel") & set(HEAVY) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["interactions", "features", "evaluation", "datasets"])
def test_the_lower_layers_load_no_model_and_no_picture(name: str) -> None:
    assert loaded_by(f"import crmintel.{name}") & {"mlflow", "lightgbm", "matplotlib"} == set()


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_exists_and_explains_itself(name: str) -> None:
    if name.startswith("crmintel.spark"):
        pytest.importorskip("pyspark", reason="needs the extra crmintel[spark]")
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for public in getattr(module, "__all__", ()):
        thing = getattr(module, public)
        if callable(thing):
            assert thing.__doc__, f"{name}.{public} has no docstring"
