"""Bundles: a fitted model as a folder of plain data, whose bytes are proven before any parser sees them."""

import hashlib
import hmac
import io
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from crmintel.columns import CUSTOMER
from crmintel.errors import BundleError, DataContractError
from crmintel.interactions.memory import size
from crmintel.scoring.files import sync, written
from crmintel.scoring.kinds import kind_of
from crmintel.scoring.pools import Drawers, Pools
from crmintel.scoring.state import from_plain, shipped, to_plain
from crmintel.scoring.strict import canonical, parsed
from crmintel.scoring.versions import version_of
from crmintel.showing import Shown

KEY: Final = "CRMINTEL_BUNDLE_KEY"
FORMAT: Final = 1
"""The format that this version writes; a newer one is refused."""
MANIFEST, DIGEST, SIGNATURE, MODEL = "manifest.json", "manifest.sha256", "manifest.hmac", "model.json"
TRAINED_ON: Final = "trained_on.parquet"
MOST_MANIFEST: Final = 1 << 20
MOST_PARTS: Final = 10_000
LEAST_KEY: Final = 16
"""Bytes of a key: 128 bits."""
_PACKAGES: Final = ("crmintel", "lightgbm", "numpy", "pandas", "scikit-learn", "scipy", "pyarrow")


@final
@dataclass(frozen=True)
class Manifest(Shown):
    """What a bundle is, as it says itself.

    Parameters
    ----------
    kind : str
        The class of the model.
    metadata : mapping
        What was noted when it was saved.
    parts : mapping of name to (bytes, SHA-256)
    versions : mapping of package to version
        What it was made with.
    fingerprint : str
        SHA-256 of the manifest: equal for equal models. Keep it elsewhere, to notice a whole bundle that was exchanged.
    signed : bool
        Whether a signature lies beside it.

    Examples
    --------
    >>> import tempfile
    >>> from crmintel.scoring import save_bundle
    >>> from crmintel.segmentation import RFM
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> save_bundle(RFM().fit(log, at=log.end), tempfile.mkdtemp() + "/rfm", metadata={"for": "an example"}).metadata
    {'for': 'an example'}
    """

    kind: str
    metadata: Mapping[str, Any]
    parts: Mapping[str, tuple[int, str]]
    versions: Mapping[str, str]
    fingerprint: str
    signed: bool

    def __repr__(self) -> str:
        total = sum(n for n, _ in self.parts.values())
        signed = "signed" if self.signed else "not signed"
        return f"Bundle of a {self.kind.rsplit('.', 1)[-1]}: {len(self.parts)} parts, {total / 1e6:,.1f} MB, {signed}, {self.fingerprint[:12]}"  # fmt: skip


def key_of_environment() -> bytes | None:
    """The key of signatures in ``CRMINTEL_BUNDLE_KEY``, hexadecimal digits; None where there is none.

    Raises
    ------
    DataContractError
        If it is no key.
    """
    text = os.environ.get(KEY)
    if not text:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise DataContractError(f"{KEY} holds no hexadecimal digits. Make a key with secrets.token_hex(32).") from None


def save_bundle(
    model: Any, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None, key: bytes | None = None,
    trained_on: Any = None,
) -> Manifest:  # fmt: skip
    """Write a fitted model as a bundle; the folder appears whole or not at all.

    Parameters
    ----------
    model : model of crmintel
        `CustomerModel`, or any estimator or recommender, fitted.
    path : path
        A folder that does not exist yet.
    metadata : mapping, optional
        Plain values to keep: what it is for, when it was trained. No customer's data.
    key : bytes, optional
        At least 16 bytes; the manifest is then signed (HMAC-SHA-256), and `load_bundle` can prove who wrote it.
    trained_on : iterable of identifiers, optional
        Who was learned from, best as pseudonyms (``Pseudonymizer.of``): `crmintel.privacy.erase` then knows whether the model has to be
        learned anew when a customer is erased.

    Returns
    -------
    Manifest

    Raises
    ------
    DataTypeError
        If the model holds something that is not of this package, such as a learner of scikit-learn.
    DataContractError
        If the path exists or cannot be written, the key is short, or the metadata are not plain.

    Examples
    --------
    >>> import tempfile
    >>> from crmintel.churn import ChurnClassifier, SMALL
    >>> import numpy as np, pandas as pd
    >>> X = pd.DataFrame({"orders": np.arange(200.0)})
    >>> model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, (X["orders"] % 3 < 1).astype(int))
    >>> folder = tempfile.mkdtemp() + "/churn"
    >>> save_bundle(model, folder, metadata={"for": "an example"}).kind
    'churn.classifier.ChurnClassifier'
    >>> bool((load_bundle(folder).predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    _check_key(key)
    target = Path(path)
    if os.path.lexists(target):
        raise DataContractError(f"{target.name!r} exists. A bundle is never overwritten: choose another name.")
    pools = Pools()
    plain = to_plain(shipped(model), pools)
    parts = {MODEL: canonical(plain)} | pools.parts()
    if trained_on is not None:
        parts[TRAINED_ON] = _listed(trained_on)
    told = {
        "crmintel_bundle": FORMAT, "kind": kind_of(model), "metadata": dict(metadata or {}),
        "parts": {n: [len(b), hashlib.sha256(b).hexdigest()] for n, b in parts.items()},
        "versions": {p: version_of(p) for p in _PACKAGES},
    }  # fmt: skip
    try:
        manifest = canonical(told)
    except (TypeError, ValueError):
        raise DataContractError("The metadata of a bundle are texts, finite numbers, lists and mappings.") from None
    if len(manifest) > MOST_MANIFEST:
        raise DataContractError(
            f"The metadata of a bundle are too long: with them its manifest has {len(manifest):,} bytes, and may have {MOST_MANIFEST:,}."
        )
    files = parts | {MANIFEST: manifest, DIGEST: hashlib.sha256(manifest).hexdigest().encode()}
    if key is not None:
        files[SIGNATURE] = _signature(key, manifest)
    try:
        _written_folder(files, target)
    except OSError as error:
        raise DataContractError(f"The bundle {target.name!r} cannot be written ({error.strerror}).") from None
    return _manifest(manifest, key is not None)


def load_bundle(
    path: str | os.PathLike[str], *, key: bytes | None = None, fingerprint: str | None = None, limit: str | int = "8GB"
) -> Any:
    """The model of a bundle, after every byte of it was proven.

    Parameters
    ----------
    path : path
        The folder, or a zip file of it.
    key : bytes, optional
        The bundle must then carry a signature of this key.
    fingerprint : str, optional
        What the bundle must be, as kept elsewhere.
    limit : str or int
        The largest bundle that is read.

    Raises
    ------
    BundleError
        If the bundle is damaged, incomplete, foreign, of a newer format, too large, or not signed by the key.

    Examples
    --------
    >>> load_bundle("no such folder")
    Traceback (most recent call last):
    crmintel.errors.BundleError: There is no bundle at 'no such folder'. Give the folder of a bundle, such as report/models/churn.
    """
    manifest, parts = _proven(path, key, fingerprint, limit)
    try:
        model = from_plain(parsed(parts[MODEL], MODEL), Drawers(parts))
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(
            f"The bundle is whole, but this version cannot make a {manifest.kind} of it ({type(error).__name__}). It was written with "
            f"crmintel {manifest.versions.get('crmintel', '?')}."
        ) from None
    if kind_of(model) != manifest.kind:
        raise BundleError(f"The bundle says that it holds a {manifest.kind}, and holds something else.")
    return model


def verify_bundle(
    path: str | os.PathLike[str], *, key: bytes | None = None, fingerprint: str | None = None, limit: str | int = "8GB"
) -> Manifest:
    """What a bundle is, after every byte was proven; the model is not made. Parameters and errors are those of `load_bundle`.

    >>> import tempfile
    >>> from crmintel.segmentation import RFM
    >>> from crmintel.datasets import simulate
    >>> log = simulate(100, days=400, seed=1).log(quiet=True)
    >>> folder = tempfile.mkdtemp() + "/rfm"
    >>> made = save_bundle(RFM().fit(log, at=log.end), folder)
    >>> verify_bundle(folder).fingerprint == made.fingerprint
    True
    """
    return _proven(path, key, fingerprint, limit)[0]


def _proven(
    path: str | os.PathLike[str], key: bytes | None, fingerprint: str | None, limit: str | int
) -> tuple[Manifest, dict[str, bytes]]:
    """Manifest and parts, in the order in which nothing is trusted: digest, strict parse, format, names, sizes, digests."""
    _check_key(key)
    most, source = size(limit), Path(path)
    if not os.path.exists(source):  # also of names too long for the file system
        raise BundleError(
            f"There is no bundle at {source.name[:200]!r}. Give the folder of a bundle, such as report/models/churn."
        )
    if source.is_file():
        with tempfile.TemporaryDirectory(prefix="crmintel-") as folder:
            return _of_folder(_unpacked(source, Path(folder), most), key, fingerprint, most)
    return _of_folder(source, key, fingerprint, most)


def _of_folder(
    folder: Path, key: bytes | None, fingerprint: str | None, most: int
) -> tuple[Manifest, dict[str, bytes]]:
    try:
        there = {entry.name for entry in os.scandir(folder)}
        if not {MANIFEST, DIGEST} <= there:
            inner = (
                " The folder of a run keeps its bundles in models, such as models/churn." if "models" in there else ""
            )
            raise BundleError(f"{folder.name!r} is no bundle: it has no {MANIFEST} or no {DIGEST}.{inner}")
        raw = _read(folder / MANIFEST, MOST_MANIFEST)
        print_ = hashlib.sha256(raw).hexdigest()
        if not hmac.compare_digest(_read(folder / DIGEST, 64), print_.encode()):
            raise BundleError("The manifest of the bundle is damaged: its bytes are not those that were written.")
        if key is not None:
            if SIGNATURE not in there:
                raise BundleError(
                    "The bundle is not signed. Sign it with save_bundle(key=...), or load it without a key."
                )
            if not hmac.compare_digest(_read(folder / SIGNATURE, 64), _signature(key, raw)):
                raise BundleError("The bundle was signed with another key, or changed since.")
        if fingerprint is not None and not hmac.compare_digest(fingerprint.encode(), print_.encode()):
            raise BundleError("This is another bundle than the one that was registered: its fingerprint differs.")
        manifest = _manifest(raw, SIGNATURE in there)
        if (total := sum(n for n, _ in manifest.parts.values())) > most:
            raise BundleError(f"The bundle has {_megabytes(total)}, more than the limit of {_megabytes(most)} allows.")
        if odd := there - {MANIFEST, DIGEST, SIGNATURE} - manifest.parts.keys():
            raise BundleError(f"The bundle holds {len(odd)} files that its manifest does not name.")
        if gone := manifest.parts.keys() - there:
            raise BundleError(f"The bundle lacks {', '.join(sorted(gone)[:5])}. Get it anew.")
        return manifest, {name: _part(folder / name, *told) for name, told in manifest.parts.items()}
    except OSError as error:
        raise BundleError(f"The bundle cannot be read ({error.strerror}).") from None


def _part(path: Path, length: int, digest: str) -> bytes:
    data = _read(path, length)
    if len(data) != length or not hmac.compare_digest(hashlib.sha256(data).hexdigest(), digest):
        raise BundleError(f"The part {path.name!r} is damaged: its bytes are not those that were written.")
    return data


def _read(path: Path, most: int) -> bytes:
    """A regular file of at most so many bytes, by a handle that follows no link."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        held = os.fstat(handle)
        if not stat.S_ISREG(held.st_mode):
            raise BundleError(f"{path.name!r} is no regular file. A bundle holds no folders, links or devices.")
        if held.st_size > most:
            raise BundleError(f"{path.name!r} is larger than the bundle says. Get it anew.")
        return file.read(most + 1)


def _manifest(raw: bytes, signed: bool) -> Manifest:
    told = parsed(raw, MANIFEST)
    form = told.get("crmintel_bundle") if isinstance(told, dict) else None
    if not isinstance(form, int) or isinstance(form, bool):
        raise BundleError("This is no bundle of crmintel: its manifest has no format number.")
    if form != FORMAT:
        raise BundleError(f"The bundle has format {form}; this version reads {FORMAT}. Read it with the version that wrote it.")  # fmt: skip
    match told:
        case {"kind": str(kind), "metadata": dict(metadata), "versions": dict(versions), "parts": dict(parts)} if (
            MODEL in parts and len(parts) <= MOST_PARTS and all(map(_is_part, parts.items()))
        ):
            named = {name: (length, digest) for name, (length, digest) in parts.items()}
            return Manifest(kind, metadata, named, versions, hashlib.sha256(raw).hexdigest(), signed)
    raise BundleError("The manifest of the bundle is not as this version writes it.")


def _is_part(item: tuple[str, Any]) -> bool:
    """Whether a name is plain, and its length and digest are such."""
    match item:
        case (name, [int(length), str(digest)]) if not isinstance(length, bool):
            plain = name.replace("-", "").replace(".", "").replace("_", "")
            return (
                plain.isascii() and plain.isalnum() and not name.startswith(".") and length >= 0 and len(digest) == 64
            )
    return False


def _listed(customers: Any) -> bytes:
    """Identifiers in rising order, so that nothing is told by their order."""
    if isinstance(customers, str):
        raise DataContractError("trained_on is one text. Give a list of identifiers.")
    out = io.BytesIO()
    pq.write_table(pa.table({CUSTOMER: pa.array(sorted({str(c) for c in customers}), pa.large_string())}), out)
    return out.getvalue()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"


def _signature(key: bytes, manifest: bytes) -> bytes:
    return hmac.new(key, manifest, hashlib.sha256).hexdigest().encode()


def _check_key(key: bytes | None) -> None:
    if key is not None and (not isinstance(key, bytes) or len(key) < LEAST_KEY):
        raise DataContractError(f"A key has at least {LEAST_KEY} bytes, drawn at random: secrets.token_bytes(32).")


def _written_folder(files: Mapping[str, bytes], target: Path) -> None:
    """A folder with these files, made beside its place and moved there once its bytes are on disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        beside.chmod(0o755)
        for name, data in files.items():
            written(beside / name, data)
        sync(beside)
        os.rename(beside, target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _unpacked(source: Path, folder: Path, most: int) -> Path:
    """The files of a zip, with plain names and within the limit, whatever the zip says of their sizes."""
    try:
        with zipfile.ZipFile(source) as packed:
            entries = [e for e in packed.infolist() if not e.is_dir()]
            heads = {e.filename.rpartition("/")[0] for e in entries}
            if len(heads) != 1 or len(entries) > MOST_PARTS + 3 or len({e.filename for e in entries}) < len(entries):
                raise BundleError(f"The zip {source.name!r} does not hold the files of one bundle.")
            left = most + 2 * MOST_MANIFEST
            for entry in entries:
                name = entry.filename.rpartition("/")[2]
                if not _is_part((name, [0, "0" * 64])):
                    raise BundleError(f"The zip {source.name!r} holds names that no bundle has.")
                with packed.open(entry) as file:
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise BundleError(f"The zip {source.name!r} unpacks to more than the limit of {_megabytes(most)}.")
                (folder / name).write_bytes(data)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]  # zipfile has it
        raise BundleError(
            f"{source.name!r} is neither the folder nor a zip of a bundle ({type(error).__name__})."
        ) from None
    return folder
