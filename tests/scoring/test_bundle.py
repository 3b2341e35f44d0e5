"""Bundles: every model comes back the same, and nothing that was touched comes back at all."""

import ast
import hashlib
import io
import json
import os
import pickle
import secrets
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import crmintel.actions
import crmintel.churn
import crmintel.recommend
import crmintel.segmentation
import crmintel.value
from crmintel.churn import ChurnClassifier
from crmintel.errors import BundleError, DataContractError, DataTypeError
from crmintel.privacy import Pseudonymizer, erase
from crmintel.scoring import load_bundle, save_bundle, verify_bundle
from crmintel.scoring.kinds import KINDS, class_of
from crmintel.scoring.strict import canonical, strict_json
from tests.scoring.conftest import MODELS, customer_model, fitted, says, world
from tests.scoring.mutations import mutated

SRC = Path(crmintel.__file__).parent
NO_STATE = {
    "KaplanMeier": "an answer, not a model", "Thompson": "draws, holds no fit", "Potential": "an answer, not a model",
    "LogRank": "an answer", "Recommender": "abstract", "BuyTillYouDie": "abstract", "MetaLearner": "abstract",
}  # fmt: skip


def same(a: Any, b: Any) -> bool:
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
        return True
    if isinstance(a, pd.Series):
        pd.testing.assert_series_equal(a, b, check_exact=True)
        return True
    return bool(np.array_equal(np.asarray(a, object), np.asarray(b, object)))


QUICK = ("CustomerModel", "RFM", "GammaGammaModel", "CoOccurrence")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_every_model_says_the_same_after_the_journey(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    made = save_bundle(model, tmp_path / "one")
    back = load_bundle(tmp_path / "one", fingerprint=made.fingerprint)
    assert type(back) is type(model)
    assert same(says(name, model), says(name, back))
    assert save_bundle(back, tmp_path / "two").fingerprint == made.fingerprint
    held = {p.suffix for p in (tmp_path / "one").iterdir()}
    assert held <= {".json", ".npy", ".txt", ".parquet", ".sha256"}


def test_every_public_model_can_be_shipped() -> None:
    packages = (crmintel.actions, crmintel.churn, crmintel.recommend, crmintel.segmentation, crmintel.value)
    public = {name: getattr(p, name) for p in packages for name in p.__all__}
    models = {n for n, c in public.items() if isinstance(c, type) and callable(getattr(c, "fit", None))}
    shipped = {k.rsplit(".", 1)[1] for k in KINDS}
    assert models - shipped - NO_STATE.keys() == set()
    assert models - {m.split()[0] for m in MODELS} - NO_STATE.keys() - {"SplineLogistic", "Trees"} == set()


def test_every_name_leads_to_a_class_of_this_package() -> None:
    for kind in KINDS:
        found = class_of(kind)
        assert found is not None
        assert found.__module__.startswith("crmintel.")


@pytest.mark.parametrize("kind", ["os.system", "builtins.eval", "churn.classifier.ChurnClassifier.__init__", "", "subprocess.Popen"])  # fmt: skip
def test_no_other_name_leads_anywhere(kind: str) -> None:
    assert class_of(kind) is None


def test_what_is_not_ours_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    X = world()[2].iloc[:, :3].fillna(0.0)
    model = ChurnClassifier(LogisticRegression(), folds=2).fit(X, np.arange(len(X)) % 2)
    with pytest.raises(DataTypeError, match="sklearn LogisticRegression"):
        save_bundle(model, tmp_path / "b")
    with pytest.raises(DataContractError, match="no model"):
        save_bundle(LogisticRegression(), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_customers_of_a_trial_stay_at_home(tmp_path: Path) -> None:
    save_bundle(fitted("EffectModel"), tmp_path / "b")
    back = load_bundle(tmp_path / "b")
    assert not {"evidence_", "order_", "index_"} & vars(back).keys()


@pytest.mark.parametrize("seed", range(6))
def test_row_121_a_bundle_that_was_touched_is_refused(bundle: Path, tmp_path: Path, seed: int) -> None:
    rng, other = np.random.default_rng(seed), tmp_path / "other"
    save_bundle(fitted("RFM"), other)
    for i in range(100):
        copy = tmp_path / f"m{i}"
        what = mutated(bundle, other, copy, rng)
        if what is None:
            continue
        with pytest.raises(BundleError):  # noqa: PT012  # what was done is named if it was loaded
            load_bundle(copy)
            pytest.fail(f"{what} was loaded")
        shutil.rmtree(copy, ignore_errors=True)


def rewritten(bundle: Path, copy: Path, change: Any) -> Path:
    """A copy whose manifest was changed and sealed again, as by someone who knows how."""
    shutil.copytree(bundle, copy)
    told = json.loads((copy / "manifest.json").read_bytes())
    raw = change(told) if change(told) is not None else canonical(told)
    (copy / "manifest.json").write_bytes(raw)
    (copy / "manifest.sha256").write_text(hashlib.sha256(raw).hexdigest())
    return copy


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("crmintel_bundle", 2, "format 2"),
        ("crmintel_bundle", 99, "format 99"),
        ("crmintel_bundle", "1", "no format number"),
        ("crmintel_bundle", True, "no format number"),
        ("kind", "value.pareto.ParetoModel", "holds something else"),
        ("kind", None, "not as this version"),
        ("parts", {}, "not as this version"),
        ("parts", {"../model.json": [1, "0" * 64], "model.json": [1, "0" * 64]}, "not as this version"),
        ("parts", {"/etc/passwd": [1, "0" * 64], "model.json": [1, "0" * 64]}, "not as this version"),
        ("parts", {"model.json": [-1, "0" * 64]}, "not as this version"),
        ("parts", {"model.json": [1 << 50, "0" * 64]}, "more than the limit"),
    ],
)
def test_row_122_123_a_foreign_manifest_is_refused(
    bundle: Path, tmp_path: Path, key: str, value: Any, said: str
) -> None:
    copy = rewritten(bundle, tmp_path / "b", lambda told: told.update({key: value}))
    with pytest.raises(BundleError, match=said):
        load_bundle(copy)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"crmintel_bundle":1,"crmintel_bundle":1}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1e999}', b"\xff\xfe{}", b"",
        b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"a":' + b"9" * 5_000 + b"}", b"null", b"[]", b'"x"', b"{}trailing",
    ],
)  # fmt: skip
def test_row_125_json_with_traps_is_refused(bundle: Path, tmp_path: Path, raw: bytes) -> None:
    copy = rewritten(bundle, tmp_path / "b", lambda told: raw)
    with pytest.raises(BundleError):
        load_bundle(copy)
    if raw not in (b"null", b"[]", b'"x"'):
        with pytest.raises(ValueError) as told:
            strict_json(raw)
        assert len(str(told.value)) < 80


def test_the_model_is_parsed_strictly_too(bundle: Path, tmp_path: Path) -> None:
    for i, plain in enumerate(
        [{"is": "os.system", "of": {}}, {"is": "churn.table.Schema", "of": {}}, {"odd": 1}, {"values": {"array": ["no.npy", 0, "<f8", [1], "C"]}}, [[]]]
    ):  # fmt: skip
        raw = canonical(plain)

        def change(told: Any, raw: bytes = raw) -> None:
            told["parts"]["model.json"] = [len(raw), hashlib.sha256(raw).hexdigest()]

        copy = rewritten(bundle, tmp_path / f"b{i}", change)
        (copy / "model.json").write_bytes(raw)
        with pytest.raises(BundleError):
            load_bundle(copy)


def test_row_123_links_devices_and_strangers_are_refused(bundle: Path, tmp_path: Path) -> None:
    part = next(p.name for p in bundle.iterdir() if p.suffix == ".npy")
    for i, change in enumerate(
        [
            lambda b: ((b / part).unlink(), os.symlink(bundle / part, b / part)),
            lambda b: ((b / part).unlink(), os.mkfifo(b / part)),
            lambda b: ((b / part).unlink(), (b / part).mkdir()),
            lambda b: (b / "more.pkl").write_bytes(b""),
            lambda b: (b / "sub").mkdir(),
            lambda b: (b / "manifest.sha256").unlink(),
            lambda b: (b / part).unlink(),
        ]
    ):
        copy = tmp_path / f"b{i}"
        shutil.copytree(bundle, copy)
        change(copy)
        with pytest.raises(BundleError):
            load_bundle(copy)


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def test_a_zip_is_a_way_to_carry_a_bundle(bundle: Path, tmp_path: Path) -> None:
    files = {f"churn/{p.name}": p.read_bytes() for p in bundle.iterdir()}
    assert verify_bundle(zipped(tmp_path / "b.zip", files)) == verify_bundle(bundle)


@pytest.mark.parametrize("name", ["../model.json", "/tmp/x", "a/b/c", "a\\..\\b", "é.json"])
def test_row_123_a_zip_with_other_names_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    files = {p.name: p.read_bytes() for p in bundle.iterdir()} | {name: b"x"}
    with pytest.raises(BundleError):
        load_bundle(zipped(tmp_path / "b.zip", files))


@pytest.mark.slow
def test_row_123_a_zip_that_swells_is_refused(bundle: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in bundle.iterdir()} | {"swell.npy": bytes(200_000_000)}
    path = zipped(tmp_path / "b.zip", files)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(BundleError, match="limit"):
        load_bundle(path, limit="50MB")


@pytest.mark.parametrize("name", ["model.pkl", "manifest.json"])
def test_row_124_a_pickle_is_refused(tmp_path: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "ran"),))

    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(BundleError):
            load_bundle(path)
    folder = tmp_path / "b"
    folder.mkdir()
    np.save(folder / "x.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(BundleError):
        load_bundle(folder)
    assert not (tmp_path / "ran").exists()


def test_a_part_that_holds_objects_is_refused_even_when_sealed(bundle: Path, tmp_path: Path) -> None:
    part = next(p.name for p in bundle.iterdir() if p.name.startswith("numbers-"))
    out = io.BytesIO()
    np.save(out, np.array([{}, {}], object), allow_pickle=True)

    def change(told: Any) -> None:
        told["parts"][part] = [len(out.getvalue()), hashlib.sha256(out.getvalue()).hexdigest()]

    copy = rewritten(bundle, tmp_path / "b", change)
    (copy / part).write_bytes(out.getvalue())
    with pytest.raises(BundleError):
        load_bundle(copy)


FORBIDDEN = {"pickle", "cloudpickle", "joblib", "shelve", "marshal", "dill", "skops", "imp"}


def loads_code(tree: ast.AST) -> list[str]:
    """What in a module could run what a file says."""
    out = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            out += [a.name for a in node.names if a.name.split(".")[0] in FORBIDDEN]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN:
            out.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            out += [name] if name in ("eval", "exec", "read_pickle", "__import__") and isinstance(node.func, ast.Name | ast.Attribute) and not _of_pandas(node.func, name) else []  # fmt: skip
            for word in node.keywords:
                allowed = isinstance(word.value, ast.Constant) and word.value.value is False
                out += ["allow_pickle"] if word.arg == "allow_pickle" and not allowed else []
            if name == "load" and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "np":
                out += [] if any(w.arg == "allow_pickle" for w in node.keywords) else ["np.load"]
    return out


def _of_pandas(call: ast.AST, name: str) -> bool:
    return name == "eval" and isinstance(call, ast.Attribute)


@pytest.mark.slow
def test_nothing_in_the_package_runs_what_a_file_says() -> None:
    found = {f: loads_code(ast.parse(f.read_text(encoding="utf-8"))) for f in SRC.rglob("*.py")}
    assert {str(f): odd for f, odd in found.items() if odd} == {}


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "np.load(f)", "np.load(f, allow_pickle=True)", "exec(text)", "pd.read_pickle(p)", "np.load(f, allow_pickle=x)"],
)  # fmt: skip
def test_the_scan_sees_what_it_forbids(code: str) -> None:
    assert loads_code(ast.parse(code))


def test_a_signature_proves_who_wrote_a_bundle(tmp_path: Path) -> None:
    key, other = b"k" * 32, b"o" * 32
    made = save_bundle(fitted("RFM"), tmp_path / "signed", key=key)
    assert made.signed
    load_bundle(tmp_path / "signed", key=key)
    load_bundle(tmp_path / "signed")
    with pytest.raises(BundleError, match="another key"):
        load_bundle(tmp_path / "signed", key=other)
    save_bundle(fitted("RFM"), tmp_path / "plain")
    with pytest.raises(BundleError, match="not signed"):
        load_bundle(tmp_path / "plain", key=key)
    for short in (b"short", "text" * 10):
        with pytest.raises(DataContractError, match="16 bytes"):
            save_bundle(fitted("RFM"), tmp_path / "short", key=short)  # type: ignore[arg-type]  # that is what is tested


def test_a_whole_bundle_that_was_exchanged_is_seen_by_its_fingerprint(bundle: Path, tmp_path: Path) -> None:
    made = save_bundle(fitted("RFM"), tmp_path / "other")
    with pytest.raises(BundleError, match="fingerprint"):
        load_bundle(tmp_path / "other", fingerprint=verify_bundle(bundle).fingerprint)
    assert made.fingerprint != verify_bundle(bundle).fingerprint


def test_bundles_are_never_overwritten_and_metadata_are_plain(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="never overwritten"):
        save_bundle(fitted("RFM"), bundle)
    for odd in ({"x": float("nan")}, {"x": object()}, {"x": np.float32(1)}):
        with pytest.raises(DataContractError, match="metadata"):
            save_bundle(fitted("RFM"), tmp_path / "b", metadata=odd)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="permissions work otherwise there")
def test_row_119_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataContractError, match="cannot be written"):
        save_bundle(fitted("RFM"), tmp_path / "file" / "b")


def test_a_bundle_knows_by_pseudonyms_who_it_learned_from(tmp_path: Path) -> None:
    log = world()[0]
    names = Pseudonymizer(secrets.token_bytes(32), "models")
    customer_model().save(tmp_path / "b", trained_on=names.of(log.customers))
    load_bundle(tmp_path / "b")
    for who, known in ((int(log.customers[0]), "yes"), (987654321, None)):
        told = [m.trained for m in erase([who], tmp_path, pseudonymizer=names, dry_run=True).retrain]
        assert told == ([known] if known else [])


def test_metadata_that_could_not_be_read_again_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="too long"):
        save_bundle(fitted("RFM"), tmp_path / "b", metadata={"note": "x" * (1 << 20)})
    assert list(tmp_path.iterdir()) == []


def test_names_too_long_for_the_disk_are_refused_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="cannot be written"):
        save_bundle(fitted("RFM"), tmp_path / ("n" * 300))
    with pytest.raises(BundleError, match="no bundle"):
        load_bundle(tmp_path / ("n" * 300))
