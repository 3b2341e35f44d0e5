"""The parts of the site that are made from the code and from the kept benchmarks, never typed.

``python docs/generate.py`` writes the pages that live in the repository: the commands, the tables of the comparison and of the README.
A test says so when they are behind.
"""

import ast
import importlib
import inspect
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
MARKS = ("<!-- generated: {} -->", "<!-- end -->")

PACKAGES = {
    "crmintel": "The everyday names",
    "crmintel.interactions": "The data contract",
    "crmintel.features": "Features and labels",
    "crmintel.segmentation": "Segmentation",
    "crmintel.churn": "Churn",
    "crmintel.value": "Customer value",
    "crmintel.recommend": "Recommendation",
    "crmintel.actions": "Next best action",
    "crmintel.evaluation": "Evaluation",
    "crmintel.scoring": "Scoring",
    "crmintel.privacy": "Privacy",
    "crmintel.tracking": "MLflow",
    "crmintel.serving": "Serving",
    "crmintel.spark": "Spark",
    "crmintel.reports": "Reports",
    "crmintel.datasets": "Data to try things on",
    "crmintel.job": "The main job",
    "crmintel.testing": "Promises to test",
    "crmintel.errors": "Errors and warnings",
}
KINDS = {"functions": "Functions", "classes": "Classes", "values": "Values"}


def public(package: str) -> list[str]:
    """The public names of a package: what its `__all__` lists, or, of a module without one, what it defines."""
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", None)
    if listed is None:
        listed = [n for n, o in vars(module).items() if inspect.isclass(o) and o.__module__ == package]
    return [n for n in listed if not n.startswith("__")]


def homes() -> dict[str, list[str]]:
    """Packages and the names that are described on their page: each thing once, where it first belongs."""
    seen: set[int] = set()
    found: dict[str, list[str]] = {}
    for package in [p for p in PACKAGES if p != "crmintel"]:
        found[package] = _spark() if package == "crmintel.spark" else []
        if found[package]:
            continue
        module = importlib.import_module(package)
        for name in public(package):
            thing = getattr(module, name)
            borrowed = inspect.isclass(thing) or inspect.isfunction(thing)
            if borrowed and not thing.__module__.startswith(package):
                continue  # described where it is made
            if id(thing) not in seen or not borrowed:
                found[package].append(name)
            seen.add(id(thing))
    return found


def _spark() -> list[str]:
    """The names of the Spark border, read without Spark."""
    tree = ast.parse((ROOT / "src" / "crmintel" / "spark" / "__init__.py").read_text(encoding="utf-8"))
    assigned = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"]
    return list(ast.literal_eval(assigned[0].value))


def makers(package: str, name: str) -> list[str]:
    """The public functions and methods of a package that are declared to return a class, and the classes that hold it."""
    module = importlib.import_module(package)
    word = re.compile(rf"\b{name}\b")
    found = []
    for other in public(package):
        thing = getattr(module, other)
        if inspect.isfunction(thing) and word.search(str(thing.__annotations__.get("return", ""))):
            found.append(other)
        if inspect.isclass(thing) and other != name:
            for key, member in vars(thing).items():
                inner = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
                if inspect.isfunction(inner) and not key.startswith("_") and word.search(str(inner.__annotations__.get("return", ""))):  # fmt: skip
                    found.append(f"{other}.{key}")
            if any(word.search(str(a)) for a in inspect.get_annotations(thing).values()):
                found.append(other)
    return found


def examples(thing: Any) -> str:
    """The docstring of a function, or of a class and its own public methods."""
    told = [inspect.getdoc(thing) or ""]
    if inspect.isclass(thing):
        for key, member in vars(thing).items():
            if not key.startswith("_"):
                told.append(inspect.getdoc(getattr(member, "__func__", None) or member) or "")
    return "\n".join(told)


def filenames() -> dict[str, str]:
    """Files of names that differ by capitals only, which some discs cannot tell apart."""
    return {
        f"{package}.{name}": f"{package}.{name}-class"
        for package, names in homes().items()
        for name in names
        if name[0].isupper() and any(other != name and other.lower() == name.lower() for other in names)
    }


def kind(package: str, name: str) -> str:
    """Whether a public name is a function, a class, or a value."""
    if package == "crmintel.spark":
        return "functions"
    thing = getattr(importlib.import_module(package), name)
    return "classes" if inspect.isclass(thing) else "functions" if inspect.isfunction(thing) else "values"


def api_pages(folder: Path) -> None:
    """One page a package with a table of what it holds, made from its `__all__`; autosummary makes the rest."""
    pages = {"index.md": _api_index()}
    for package, names in homes().items():
        lines = [
            f"{package}\n{'=' * len(package)}\n",
            f".. automodule:: {package}\n   :no-members:\n",
            f".. currentmodule:: {package}\n",
        ]
        for which, title in KINDS.items():
            chosen = [n for n in names if kind(package, n) == which]
            if chosen:
                inside = "\n".join(f"   {name}" for name in chosen)
                lines.append(
                    f"{title}\n{'-' * len(title)}\n\n.. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{inside}\n"
                )
        borrowed = sorted(set(public(package)) - set(names)) if package != "crmintel.spark" else []
        if borrowed:
            module = importlib.import_module(package)
            told = ", ".join(f":obj:`{n} <{_home(getattr(module, n), n)}>`" for n in borrowed)
            lines.append(f"Also here: {told}.\n")
        pages[f"{package}.rst"] = "\n".join(lines)
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        _put(folder / name, text)


def _home(thing: Any, name: str) -> str:
    return f"{'.'.join(thing.__module__.split('.')[:2])}.{name}"


def _api_index() -> str:
    rows = "\n".join(f"| [{p}]({p}.rst) | {t} |" for p, t in PACKAGES.items() if p != "crmintel")
    names = "\n".join(p for p in PACKAGES if p != "crmintel")
    return (
        "# API reference\n\nEvery public name, with an example that runs as a test. `crmintel` itself gives the everyday names\n"
        "{obj}`InteractionLog <crmintel.interactions.InteractionLog>`, {obj}`Policies <crmintel.interactions.Policies>` and\n"
        "{obj}`QualityReport <crmintel.interactions.QualityReport>`.\n\n| package | what it holds |\n| --- | --- |\n"
        f"{rows}\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def copy_notebooks(source: Path, folder: Path) -> None:
    """Bring whatever notebooks there are into the site, with a page that lists them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    notebooks = sorted(source.glob("*.ipynb"))
    cards, names = [], []
    for path in notebooks:
        shutil.copy(path, folder / path.name)
        title, words = _opening(path)
        cards.append(f":::{{grid-item-card}} {title}\n:link: {path.stem}\n:link-type: doc\n\n{words}\n:::\n")
        names.append(path.stem)
    text = "# Gallery\n\n"
    if notebooks:
        text += "Notebooks with their outputs. Each runs from top to bottom on simulated or public data.\n\n"
        text += "::::{grid} 1 2 2 2\n:gutter: 3\n\n" + "\n".join(cards) + "::::\n\n```{toctree}\n:hidden:\n\n"
        text += "\n".join(names) + "\n```\n"
    else:
        text += "There are no notebooks in this version. The pages of the guide hold the same code.\n"
    (folder / "index.md").write_text(text, encoding="utf-8")


def _opening(path: Path) -> tuple[str, str]:
    """The title of a notebook and its first sentence."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    title = re.search(r"^# (.+)$", text, re.M)
    words = re.search(r"^(?![#>|!<\s-])(.+?[.!?])(?:\s|$)", re.sub(r"(?<!\n)\n(?!\n)", " ", text), re.M)
    return (title[1] if title else path.stem.replace("_", " ")), (words[1] if words else "")


def commands() -> str:
    """Every command with its options, from the program itself."""
    from typer.main import get_command

    from crmintel.cli import app

    return "\n\n".join(_command(get_command(app), ("crmintel",)))


def _command(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from _command(below, (*path, name))
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join(
        [*path, *(f"{p.name.upper()}{'…' if p.nargs == -1 else ''}" for p in arguments), "[OPTIONS]" if options else ""]
    ).strip()
    rows = [
        f"| {_spelled(p)} | {(p.help or '').replace('|', chr(92) + '|')} | {_default(p)} |"
        for p in [*arguments, *options]
    ]
    table = "\n".join(["| argument or option | meaning | default |", "| --- | --- | --- |", *rows])
    yield f"## {' '.join(path)}\n\n{(command.help or '').strip()}\n\n```text\n{usage}\n```\n\n{table}"


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return " / ".join(f"`{o}`" for o in [*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value is None or value is False or callable(value) or value == () else f"`{value}`"


PEERS: dict[str, tuple[tuple[str, str], ...]] = {  # section: benchmark and what its lines of this kind look like
    "features": (("features", r"pandas|olars|DuckDB|SQL|featuretools"),),
    "segmentation": (("segmentation", r"pandas|kmodes"),),
    "churn": (("churn", r"LightGBM|CatBoost|emp-py|scikit-survival|lifelines|average rank"),),
    "value": (("value", r"lifetimes"),),
    "recommend": (("recommend", r"implicit|mlxtend"),),
    "actions": (("actions", r"causalml|econml|scikit-uplift|LightGBM|HiGHS"),),
    "shipping": (("shipping", r"mlflow|TreeSHAP"),),
}
PINNED = r'"([A-Za-z0-9_-]+)==([0-9.]+)"'
GLANCE = (  # what is compared with, the benchmark, and the one line that says most
    ("DuckDB, SQL tuned by us", "features", r"CPU of ours ÷ CPU of DuckDB SQL, tuned"),
    ("DuckDB, SQL as documented", "features", r"CPU of ours ÷ CPU of DuckDB SQL, as its"),
    ("Polars, lazy", "features", r"CPU of ours ÷ CPU of Polars"),
    ("pandas, vectorised", "features", r"CPU of ours ÷ CPU of pandas"),
    ("featuretools", "features", r"CPU per customer of featuretools ÷ ours"),
    ("pandas RFM", "segmentation", r"ids as strings.*from the same frame ÷ pandas"),
    ("kmodes", "segmentation", r"CPU of kmodes ÷ ours"),
    ("LightGBM, CatBoost and others", "churn", r"average rank over AUC"),
    ("LightGBM, defaults", "churn", r"folds with a higher AUC than LightGBM"),
    ("emp-py", "churn", r"largest difference of the profit to emp-py"),
    ("lifelines (Cox)", "churn", r"telco_ibm.*C-index, ours ÷ Cox"),
    ("scikit-survival (boosting)", "churn", r"telco_ibm.*C-index, ours ÷ scikit-survival gradient boosting, default"),
    ("lifetimes", "value", r"CDNOW all, ParetoModel: times faster than lifetimes"),
    ("implicit (ALS)", "recommend", r"gowalla, co-occurrence without patterns against implicit ALS"),
    ("implicit (five models)", "recommend", r"foodmart 1997.*new items.*less that of the best other"),
    ("mlxtend", "recommend", r"mlxtend's CPU ÷ ours"),
    ("causalml (S-learner)", "actions", r"fresh set\), both: S \(causalml\)"),
    ("econml (linear DR)", "actions", r"fresh set\), both: linear DR \(econml\)"),
    ("scikit-uplift", "actions", r"fresh set\), both: class transformation \(scikit-uplift\)"),
    ("HiGHS", "actions", r"k = 1: CPU of HiGHS ÷ ours"),
    ("mlflow models serve", "shipping", r"mlflow models serve ÷ crmintel serve"),
    ("TreeSHAP", "shipping", r"light: rows with the first reason of TreeSHAP"),
)

INSIDE = (  # packages, what they answer, the benchmark and the line of it that says most, in words around its figure
    ("job", "the whole job, from a file to a plan and a page", "job", "foundation", r"demo .*wall time", "1.47 M rows in {} s, two threads"),
    ("interactions, features", "what is in the history; the past of each customer at any instant; labels", "features", "features", r"CPU of ours ÷ CPU of DuckDB SQL, tuned", "the CPU of DuckDB with SQL tuned by us × {}, the same cells"),
    ("segmentation", "RFM, value tiers, stages, groups, migration", "segmentation", "segmentation", r"ids as strings.*from the same frame ÷ pandas", "RFM of 5 M purchases: the CPU of pandas × {}"),
    ("churn", "who leaves, when, why, whom it pays to call", "churn", "churn", r"folds with a higher AUC than LightGBM", "telco: higher AUC than LightGBM's defaults in {} folds"),
    ("value", "purchases, spend and lifetime value with intervals", "value", "value", r"CDNOW all, ParetoModel: times faster than lifetimes", "Pareto/NBD {} × faster than lifetimes, CPU"),
    ("recommend", "next items with reasons, baskets, replenishment", "recommend", "recommend", r"mlxtend's CPU ÷ ours", "item pairs {} × faster than mlxtend, CPU"),
    ("actions", "next best action, budget, experiments, what worked", "actions", "actions", r"allocation, 1,000,000 x 10, k = 1: certified gap", "a million customers × 10 actions, certified gap to the optimum {}"),
    ("scoring, tracking, spark", "bundles, nightly scores, monitoring, MLflow, Spark", "shipping", "shipping", r"9,998,967 customers scored.*peak memory", "10 M customers from 100 M rows in {} GB"),
    ("serving", "`crmintel serve`", "serving", "shipping", r"mlflow models serve ÷ crmintel serve", "median answer {} × faster than `mlflow models serve`"),
    ("privacy", "pseudonyms, personal data, erasure", "privacy", "shipping", r"values that came back in answers", "{} values of customers in answers and log, 60 s at full load"),
    ("reports", "the page, the card of a customer, pictures", "people", "people", r"1,000,000 customers: the page$", "a million customers on a page of {} MB"),
    ("evaluation, datasets", "intervals, simple rules, simulated customers", "concepts", "foundation", r"simulate 1,000,000 customers: peak memory", "a million customers simulated in {} GB"),
)  # fmt: skip


def contents() -> str:
    """The packages in a few words, each with one figure of its benchmark."""
    told = ["| package | what it answers | measured |", "| --- | --- | --- |"]
    for package, words, page, bench, pattern, said in INSIDE:
        (row,) = (r for r in lines(bench) if re.search(pattern, r["what"]))
        names = ", ".join(f"`{n}`" for n in package.split(", "))
        told.append(f"| [{names}](docs/{page}.md) | {words} | {said.format(row['value'])} |")
    return "\n".join(told)


def bars() -> str:
    """How many of the bars that the benchmarks hold were reached."""
    held = [row["holds"] for path in sorted((HERE / "benchmarks").glob("*.jsonl")) for row in lines(path.stem)]
    reached, asked = held.count(True), held.count(True) + held.count(False)
    return f"Every figure is printed by a benchmark. {reached} of {asked} bars are reached; [the others](docs/comparison.md#where-we-are-behind) are listed."  # fmt: skip


def lines(bench: str) -> list[dict[str, Any]]:
    """The kept lines of a benchmark."""
    from benchmarks.measure import kept

    return [json.loads(line) for line in kept(bench).read_text(encoding="utf-8").splitlines()]


def rows_of(found: list[dict[str, Any]]) -> str:
    """Kept lines as a table, with whether each bar was reached."""
    head = "| what | measured | bar | reached |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(f"| {r['what']} | {_measured(r)} | {r['bar']} | {_reached(r)} |" for r in found)


def _measured(row: dict[str, Any]) -> str:
    return f"{row['value']} {'' if row['unit'] == '95 % interval' else row['unit']}".strip()


def _reached(row: dict[str, Any]) -> str:
    return {True: "yes", False: "**no**", None: ""}[row["holds"]]


def glance() -> str:
    """For each peer the one line that says most; every pattern has to find one."""
    told = ["| peer | what was compared | measured | bar | reached |", "| --- | --- | --- | --- | --- |"]
    for peer, bench, pattern in GLANCE:
        row = next(r for r in lines(bench) if re.search(pattern, r["what"]))
        told.append(f"| {peer} | {row['what']} | {_measured(row)} | {row['bar']} | {_reached(row)} |")
    return "\n".join(told)


def peers(section: str) -> str:
    """The kept lines of a section that name a peer."""
    return rows_of(
        [
            row
            for bench, pattern in PEERS[section]
            for row in lines(bench)
            if re.search(pattern, f"{row['what']} {row['value']} {row['bar']}")
        ]
    )


def missed() -> str:
    """Every bar that the kept lines say is not reached."""
    benches = sorted(p.stem for p in (HERE / "benchmarks").glob("*.jsonl"))
    found = [row for bench in benches for row in lines(bench) if row["holds"] is False]
    told = ["| what | measured | bar |", "| --- | --- | --- |"]
    return "\n".join(told + [f"| {r['what']} | {_measured(r)} | {r['bar']} |" for r in found])


def versions() -> str:
    """The versions that the peers are pinned to in the benchmarks, and those of the libraries beneath both sides."""
    pinned = {
        name: number
        for path in sorted((ROOT / "benchmarks").glob("*.py"))
        for name, number in re.findall(PINNED, path.read_text(encoding="utf-8"))
    }
    own = dict(re.findall(r"^([A-Za-z0-9_-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    beneath = {n: own[n] for n in ("pandas", "polars", "duckdb", "scikit-learn", "lightgbm", "mlflow") if n in own}
    rows = [f"| {n} | {v} | {where} |" for found, where in ((pinned, "an environment of its own"), (beneath, "the same environment as ours")) for n, v in sorted(found.items())]  # fmt: skip
    return "\n".join(["| peer | version | where it ran |", "| --- | --- | --- |", *dict.fromkeys(rows)])


def parts() -> dict[str, dict[str, str]]:
    """Pages, and what stands between each of their marks."""
    tables = {f"peers-{section}": peers(section) for section in PEERS}
    return {
        "../README.md": {"inside": contents(), "bars": bars()},
        "commands.md": {"commands": commands()},
        "comparison.md": {"glance": glance(), "versions": versions(), "missed": missed(), **tables},
    }


def inside(text: str, name: str) -> str:
    """What stands between the marks of a page."""
    start, end = (m.format(name) for m in MARKS)
    return text.split(start)[1].split(end)[0].strip()


def main() -> None:
    """Write the generated parts into their pages."""
    for page, generated in parts().items():
        text = (HERE / page).read_text(encoding="utf-8")
        for name, content in generated.items():
            start, end = (m.format(name) for m in MARKS)
            before, rest = text.split(start)
            text = f"{before}{start}\n{content}\n{end}{rest.split(end, 1)[1]}"
        _put(HERE / page, text)


def _put(path: Path, text: str) -> None:
    """Write a file if it differs, so that an unchanged page is not built again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    main()
