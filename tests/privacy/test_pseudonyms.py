import base64
import copy
import hashlib
import hmac
import pickle
import secrets
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmintel import privacy
from crmintel.errors import CrmIntelError, DataContractError, DataTypeError
from crmintel.privacy import Pseudonymizer, rekeyed
from tests.privacy.hostile import HOSTILE

KEY = bytes.fromhex("8f2d1c4b5a69788796a5b4c3d2e1f00f")
OTHER = bytes.fromhex("00112a3344c566d77e8899aabbccddee")


@pytest.fixture
def who() -> Pseudonymizer:
    return Pseudonymizer(KEY)


def test_a_pseudonym_is_the_keyed_hash_of_namespace_and_identifier(who):
    expected = hmac.digest(KEY, b"9:customers:7", "sha256").hex()
    assert who.of([7]).tolist() == [expected]


@pytest.mark.parametrize(
    "ids",
    [
        [7, 8], np.array([7, 8]), np.array([7, 8], np.int16), np.array([7, 8], np.uint64), pd.Series([7, 8], dtype="Int64"), pd.Index([7, 8]),
        ["7", "8"], np.array(["7", "8"]), pd.Series(["7", "8"]), pd.Series(["7", "8"], dtype="category"), pd.Series([7, "8"], dtype=object),
        pa.chunked_array([[7], [8]]), pa.array(["7", "8"]), pd.Series([7, 8], dtype="int64[pyarrow]"), (x for x in (7, 8)), {7: 1, 8: 2},
    ],
)  # fmt: skip
def test_the_same_identifier_has_one_pseudonym_whatever_holds_it(who, ids):
    assert who.of(ids).tolist() == [hmac.digest(KEY, f"9:customers:{i}".encode(), "sha256").hex() for i in (7, 8)]


def test_a_series_keeps_its_index_and_name_and_values_may_repeat(who):
    ids = pd.Series([8, 7, 8], index=[5, 3, 9], name="x")
    told = who.of(ids)
    assert (told.index.tolist(), told.name, told.dtype) == ([5, 3, 9], "x", pd.Series(["a"]).dtype)
    assert told.iloc[0] == told.iloc[2] != told.iloc[1]
    assert who.of([]).empty


def test_large_numbers_and_uuids_are_exact(who):
    assert who.of([2**64 + 1])[0] == who.of([str(2**64 + 1)])[0] != who.of([2**64])[0]
    uuid = UUID(int=7)
    assert who.of([uuid])[0] == who.of([str(uuid)])[0]


@pytest.mark.parametrize(
    "ids",
    [[1, None], [float("nan"), 1], ["a", ""], ["a", "  "], pd.Series([1, pd.NA], dtype="Int64"), [None], [np.nan]],
)
def test_missing_identifiers_are_refused(who, ids):
    with pytest.raises(DataContractError, match=r"of \d identifiers are missing or blank"):
        who.of(ids)


@pytest.mark.parametrize(
    "ids", [[1.0, 2.0], np.array([1.5]), [True], np.array([True, False]), [b"a"], "abc", 7, [[1]], [(1, 2)]]
)
def test_what_is_no_identifier_is_refused(who, ids):
    with pytest.raises((DataTypeError, DataContractError)):
        who.of(ids)


def test_another_namespace_and_another_key_give_other_pseudonyms(who):
    made = {
        who.of([7])[0],
        who.within("reports").of([7])[0],
        Pseudonymizer(OTHER).of([7])[0],
        Pseudonymizer(KEY, "a").of([7])[0],
    }
    assert len(made) == 4
    assert who.within("x").of(["1:y"])[0] != who.within("x1").of([":y"])[0]
    assert who.within("x") == Pseudonymizer(KEY, "x") != who
    assert who.key_id == who.within("x").key_id != Pseudonymizer(OTHER).key_id
    for empty in ("", " "):
        with pytest.raises(DataContractError, match="namespace"):
            who.within(empty)


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_namespace_and_identifier_are_never_confused(a, b):
    one, two = Pseudonymizer(KEY, a).of([b])[0], Pseudonymizer(KEY, b).of([a])[0]
    assert (one == two) == (a == b)


def test_row_136_the_key_never_shows(who, tmp_path):
    shown = [repr(who), str(who), f"{who}", repr(vars(type(who)))]
    for text in shown:
        assert KEY.hex() not in text
        assert repr(KEY) not in text
    assert not hasattr(who, "__dict__")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(DataTypeError, match="cannot be pickled"):
            pickle.dumps(who, protocol)
    assert copy.deepcopy(who).of([7])[0] == copy.copy(who).of([7])[0] == who.of([7])[0]
    assert who.key_id in repr(who)
    assert who.key_id != hashlib.sha256(KEY).hexdigest()[:16]
    assert hash(who) == hash(Pseudonymizer(KEY))


@pytest.mark.parametrize(
    "key",
    [
        "", " ", "aa", "00" * 16, "ab" * 32, "0123" * 16, bytes(range(16)), bytes(range(200, 184, -1)), b"\x00" * 32, b"secret" * 10, KEY[:15], bytes([1, 2, 2, 1, 3, 1, 2, 3, 3, 1, 2, 1, 1, 3, 2, 1]),
        "correct horse battery staple", "password", "passwordpasswordpasswordpassword", b"", KEY[:8] * 2, (b"12345678" * 9)[:67], "zz" * 16,
    ],
    ids=repr,
)  # fmt: skip
def test_row_136_short_and_weak_keys_are_refused_and_not_shown(key, tmp_path, monkeypatch):
    def checked(make):
        with pytest.raises(DataContractError) as caught:
            make()
        text = str(caught.value)
        assert not key.strip() or str(key) not in text
        assert "python -c" in text

    checked(lambda: Pseudonymizer(key))
    if isinstance(key, str):
        monkeypatch.setenv("CRMINTEL_PSEUDONYM_KEY", key)
        checked(Pseudonymizer.from_environment)
    file = tmp_path / "key"
    file.write_bytes(key if isinstance(key, bytes) else key.encode())
    checked(lambda: Pseudonymizer.from_file(file))


@pytest.mark.parametrize("key", [None, 7, [1], object()])
def test_row_136_a_key_of_another_kind_is_refused(key):
    with pytest.raises(DataTypeError, match="key is bytes or text"):
        Pseudonymizer(key)


def test_row_136_a_missing_key_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("CRMINTEL_PSEUDONYM_KEY", raising=False)
    with pytest.raises(DataContractError, match="CRMINTEL_PSEUDONYM_KEY holds no key"):
        Pseudonymizer.from_environment()
    with pytest.raises(DataContractError, match="cannot be read"):
        Pseudonymizer.from_file(tmp_path / "nothing")
    with pytest.raises(DataContractError, match="cannot be read"):
        Pseudonymizer.from_file("a\x00b")


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper() + "\n",
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
    ],
)
def test_a_key_may_be_hexadecimal_or_base64(text, tmp_path, monkeypatch, who):
    monkeypatch.setenv("SOME_KEY", f" {text} ")
    file = tmp_path / "key"
    file.write_text(text)
    raw = tmp_path / "raw"
    raw.write_bytes(KEY)
    made = [
        Pseudonymizer(text),
        Pseudonymizer.from_environment("SOME_KEY"),
        Pseudonymizer.from_file(file),
        Pseudonymizer.from_file(raw),
    ]
    assert all(m == who and m.of([7])[0] == who.of([7])[0] for m in made)
    assert Pseudonymizer.from_file(file, namespace="x") == who.within("x")


@given(st.binary(min_size=16, max_size=64))
def test_random_bytes_are_rarely_weak(key):
    if len(set(key)) < 8:
        with pytest.raises(DataContractError):
            Pseudonymizer(key)


def test_fresh_keys_are_accepted():
    for _ in range(500):
        Pseudonymizer(secrets.token_bytes(16))
        Pseudonymizer(secrets.token_hex(32))


def test_a_table_gets_pseudonyms_in_the_named_columns_only(who):
    table = pd.DataFrame({"customer_id": [7, 8], "friend": ["8", "7"], "score": [0.1, 0.2]}, index=[4, 2])
    out = who.table(table, ["customer_id", "friend"])
    assert out["customer_id"].tolist() == out["friend"].tolist()[::-1] == who.of([7, 8]).tolist()
    assert out["score"].equals(table["score"])
    assert table["customer_id"].tolist() == [7, 8]
    assert who.table(table)["friend"].tolist() == ["8", "7"]
    with pytest.raises(DataContractError, match="no column 'buyer', 'x'"):
        who.table(table, ["buyer", "x"])
    with pytest.raises(DataTypeError):
        who.table([1])


def test_row_136_a_rotated_key_moves_tables_without_breaking_joins(who):
    new = Pseudonymizer(OTHER, "customers 2")
    table = pd.DataFrame({"customer_id": [8, 7, 8], "x": [1, 2, 3]})
    moved = rekeyed(who.table(table), old=who, new=new, ids=[7, 8, 9, 9])
    assert moved.equals(new.table(table))
    with pytest.raises(DataContractError, match=f"2 of 3 rows of 'customer_id'.*{who.key_id}") as caught:
        rekeyed(who.table(table), old=who, new=new, ids=[7])
    assert who.of([8])[0] not in str(caught.value)
    with pytest.raises(DataContractError, match="3 of 3"):
        rekeyed(who.table(table), old=new, new=who, ids=[7, 8])


def test_row_137_nothing_public_hashes_without_a_key():
    numbers = [f"+44 7700 {n:06d}" for n in range(2_000)]
    held = Pseudonymizer(KEY).of(numbers)
    tried = {f(t.encode()).hexdigest() for t in numbers for f in (hashlib.sha256, hashlib.sha1, hashlib.md5)}
    assert not tried & set(held)
    assert not [n for n in privacy.__all__ if "hash" in n.lower()]
    with pytest.raises(TypeError):
        Pseudonymizer()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_identifiers_are_only_text(who, text):
    expected = hmac.digest(KEY, f"9:customers:{text}".encode(), "sha256").hex()
    assert who.of([text])[0] == expected
    table = pd.DataFrame({text: [text], "kept": [1]}, dtype=object)
    out = who.table(table, [text])
    assert out[text].tolist() == [expected]
    assert out["kept"].tolist() == [1]
    assert (
        rekeyed(out, old=who, new=Pseudonymizer(OTHER), ids=[text], columns=[text])[text].tolist()
        == Pseudonymizer(OTHER).of([text]).tolist()
    )


def test_there_are_hundreds_of_hostile_texts_and_each_is_another_customer(who):
    assert len(HOSTILE) > 200
    assert who.of(HOSTILE).nunique() == len(HOSTILE)


def test_lone_surrogates_have_pseudonyms(who):
    assert who.of(["\ud800"])[0] != who.of(["\udc00"])[0]


def test_messages_never_hold_an_identifier(who):
    for ids in (["secret-one", None], ["secret-one", 1.5], pd.Series(["secret-one", ""])):
        with pytest.raises(CrmIntelError) as caught:
            who.of(ids)
        assert "secret" not in str(caught.value)
