"""The rooms of the house: who may import whom, read from the syntax tree, imports inside functions included."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "crmintel"
LAYERS = (  # from the top; a module imports only from lines below its own, or from its own package
    {"__main__"},
    {"cli"},
    {"job"},
    {"reports"},
    {"tracking", "spark", "serving"},
    {"testing"},
    {"scoring", "privacy"},
    {"actions"},
    {"segmentation", "churn", "value", "recommend"},
    {"features", "evaluation"},
    {"datasets"},
    {"interactions"},
    {"columns", "errors", "showing"},
)
LEVEL = {name: depth for depth, names in enumerate(LAYERS) for name in names}
BORDERS = {
    "mlflow": {"tracking"},
    "pyspark": {"spark"},
    "matplotlib": {"reports"},
    "jinja2": {"reports"},
    "lightgbm": {"segmentation", "churn", "value", "recommend", "actions"},
    "typer": {"cli"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
}
FILES = sorted(SRC.rglob("*.py"))


def imports(tree: ast.AST) -> set[str]:
    """Every module that a file imports, wherever the statement stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            names |= {f"{module}.{a.name}" for a in node.names} if module == "crmintel" else {module}
    return names


def broken(package: str, imported: set[str]) -> list[str]:
    """The imports of a package that the layers forbid."""
    out = []
    for name in imported:
        first, *rest = name.split(".")
        if (
            first == "crmintel"
            and rest
            and rest[0] in LEVEL
            and rest[0] != package
            and LEVEL[rest[0]] <= LEVEL[package]
        ):
            out.append(name)
        if first in BORDERS and package not in BORDERS[first]:
            out.append(name)
    return out


def package_of(file: Path) -> str:
    return file.relative_to(SRC).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SRC)))
def test_a_module_imports_only_from_below(file: Path) -> None:
    package = package_of(file)
    if package == "__init__":
        return
    assert package in LEVEL, f"{package} stands in no layer"
    assert broken(package, imports(ast.parse(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("features", "def f():\n    import mlflow"),
        ("features", "from crmintel.churn import ChurnClassifier"),
        ("churn", "from crmintel.value import LifetimeValue"),
        ("churn", "def f():\n    from matplotlib.figure import Figure"),
        ("interactions", "from crmintel import features"),
        ("evaluation", "import lightgbm as lgb"),
    ],
)
def test_the_rule_sees_what_it_forbids(package: str, code: str) -> None:
    assert broken(package, imports(ast.parse(code)))
