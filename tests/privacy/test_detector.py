import datetime as dt
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmintel import InteractionLog
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataContractWarning, DataTypeError
from crmintel.privacy import personal_data, warn_of_personal_data
from crmintel.privacy.checksums import is_card, is_iban, is_resident_id
from crmintel.privacy.patterns import GIVEN_NAMES, names_people, says_birth, says_phone
from tests.privacy.hostile import HOSTILE

RNG = np.random.default_rng(20240301)
FIRST = sorted(GIVEN_NAMES)
LAST = ("Smith", "O'Brien", "García", "Müller", "Smith-Jones", "Nguyen", "van Dyke", "Rossi", "Novák", "Li")


def digits(n: int) -> str:
    return "".join(map(str, RNG.integers(0, 10, n)))


def card() -> str:
    body = RNG.choice(["4", "51", "55", "37", "62", "6011"])
    body += digits((14 if body == "37" else 15) - len(body))
    return next(body + str(d) for d in range(10) if is_card(body + str(d)))


def iban() -> str:
    body = digits(18)
    return next(t for t in (f"DE{c:02d}{body}" for c in range(2, 99)) if is_iban(t))


def resident() -> str:
    born = dt.date(1950, 1, 1) + dt.timedelta(days=int(RNG.integers(0, 20_000)))
    body = f"{RNG.integers(11, 66)}{digits(4)}{born:%Y%m%d}{digits(3)}"
    return next(body + c for c in "0123456789X" if is_resident_id(body + c))


def many(make, n=300):
    return [make() for _ in range(n)]


def full_name() -> str:
    return f"{RNG.choice(FIRST).title()} {RNG.choice(LAST[:6])}"


def grouped(text: str, n: int = 4) -> str:
    return " ".join(text[i : i + n] for i in range(0, len(text), n))


PLANTED = {
    "e-mails": ("login", lambda: f"{digits(5)}.x+y@mail.example.co.uk", "e-mail"),
    "e-mails in a sentence": ("comment", lambda: f"please write to a{digits(3)}@example.org, thanks", "e-mail"),
    "international phones": ("note", lambda: f"+44 20 {digits(4)} {digits(4)}", "phone"),
    "local phones": ("x", lambda: f"({digits(3)}) {digits(3)}-{digits(4)}", "phone"),
    "phones by name": ("Contact Phone", lambda: f"0{digits(9)}", "phone"),
    "phones by Chinese name": ("手机号码", lambda: f"1{digits(10)}", "phone"),
    "Chinese mobiles": ("account", lambda: f"13{digits(9)}", "phone"),
    "full names": ("x", full_name, "person name"),
    "names": ("name", full_name, "person name"),
    "customer names": ("customerName", lambda: f"{RNG.choice(LAST[:6])}, {RNG.choice(FIRST).title()}", "person name"),
    "first names": ("first_name", lambda: RNG.choice(FIRST).title(), "person name"),
    "surnames": ("LastName", lambda: RNG.choice(LAST[:6]), "person name"),
    "Chinese names": ("客户姓名", lambda: RNG.choice(list("王李张刘陈")) + RNG.choice(list("伟芳娜敏静")), "person name"),
    "cards": ("payment", card, "card number"),
    "cards in groups": ("payment", lambda: grouped(next(c for c in iter(card, None) if len(c) == 16)), "card number"),
    "accounts": ("account", iban, "IBAN"),
    "accounts in groups": ("account", lambda: grouped(iban()), "IBAN"),
    "resident ids": ("id", resident, "Chinese resident id"),
    "addresses": ("origin", lambda: ".".join(map(str, RNG.integers(1, 255, 4))), "IP address"),
    "addresses of version 6": ("origin", lambda: f"2001:db8::{RNG.integers(1, 9999):x}", "IP address"),
    "dates of birth": ("date_of_birth", lambda: f"19{digits(2)}-01-02", "birth date"),
    "Chinese dates of birth": ("出生日期", lambda: f"19{digits(2)}-01-02", "birth date"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_row_132_planted_columns_are_found(what):
    name, make, kind = PLANTED[what]
    values = many(make)
    report = personal_data(pd.DataFrame({"customer_id": range(300), name: values, "amount": RNG.gamma(2, size=300)}))
    assert [(f.column, f.kind) for f in report.found] == [(name, kind)]
    assert report.found[0].share > 0.5
    for text in (repr(report), report._repr_html_(), report.to_frame().to_string()):
        assert not [v for v in set(values) if v in text]


@pytest.mark.parametrize(("name", "make", "kind"), [("mobile", lambda: 4_400_000_000_000 + int(digits(10)), "phone"), ("x", lambda: int(f"13{digits(9)}"), "phone"), ("x", lambda: int("4" + card()[1:]) if False else int(next(c for c in iter(card, None))), "card number"), ("x", lambda: int(next(r for r in iter(resident, None) if r[-1] != "X")), "Chinese resident id"), ("birth_year", lambda: 1950 + int(digits(1)), "birth date")])  # fmt: skip
def test_row_132_personal_data_hide_in_whole_numbers_too(name, make, kind):
    report = personal_data(pd.DataFrame({"a": range(300), name: many(make)}))
    assert [(f.column, f.kind) for f in report.found] == [(name, kind)]


HARMLESS = {
    "product names": ("product_name", lambda: f"{RNG.choice(['Red', 'Blue', 'Rose', 'Jack'])} {RNG.choice(['Mug', 'Daniel', 'Lamp', 'Garden'])}"),
    "products without a name": ("x", lambda: f"{RNG.choice(['Red', 'Blue', 'Grand', 'Old'])} {RNG.choice(['Mug', 'Lamp', 'Garden', 'Cup'])}"),
    "names of products": ("name", lambda: f"{RNG.choice(['Red', 'Blue', 'Grand', 'Old'])} {RNG.choice(['Mug', 'Lamp', 'Garden', 'Cup'])}"),
    "cities": ("city", lambda: RNG.choice(["New York", "San Francisco", "Los Angeles", "St Helena"])),
    "countries": ("customer country", lambda: RNG.choice(["United Kingdom", "New Zealand", "France"])),
    "segments": ("segment", lambda: RNG.choice(["Loyal Customers", "At Risk", "Mary Rose"])),
    "dates": ("x", lambda: f"20{digits(2)}-{RNG.integers(1, 13):02d}-{RNG.integers(1, 29):02d}"),
    "dates with points": ("x", lambda: f"{RNG.integers(1, 29):02d}.{RNG.integers(1, 13):02d}.20{digits(2)}"),
    "dates of calls": (
        "last_phone_call",
        lambda: f"20{digits(2)}-{RNG.integers(1, 13):02d}-{RNG.integers(1, 29):02d}",
    ),
    "times": ("x", lambda: f"2024-01-{RNG.integers(10, 29)} 10:{RNG.integers(10, 59)}:00"),
    "orders": ("order_id", lambda: digits(16)),
    "long orders": ("order_id", lambda: int("1" + digits(17))),
    "bar codes": ("ean", lambda: "40" + digits(11)),
    "seconds": ("x", lambda: 1_700_000_000 + int(digits(6))),
    "milliseconds": ("x", lambda: 1_700_000_000_000 + int(digits(9))),
    "microseconds": ("x", lambda: 1_700_000_000_000_000 + int(digits(12))),
    "versions": ("x", lambda: f"{digits(1)}.{digits(1)}.{digits(2)}"),
    "prices": ("x", lambda: f"{RNG.integers(1, 999)}.{digits(2)}"),
    "uuids": ("x", lambda: f"{RNG.bytes(4).hex()}-{RNG.bytes(2).hex()}-{RNG.bytes(2).hex()}-{RNG.bytes(2).hex()}-{RNG.bytes(6).hex()}"),
    "hashes": ("x", lambda: RNG.bytes(32).hex()),
    "phone service": ("PhoneService", lambda: RNG.choice(["Yes", "No"])),
    "contact types": ("contact", lambda: RNG.choice(["cellular", "telephone"])),
    "places of birth": ("birthplace", lambda: RNG.choice(["Paris", "Rome"])),
    "handles": ("x", lambda: f"@someone{digits(2)}"),
    "hash tags": ("event_name", lambda: RNG.choice(["Page View", "Mark Read", "Grace Period"])),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_row_132_harmless_columns_are_left_alone(what):
    name, make = HARMLESS[what]
    assert not personal_data(pd.DataFrame({name: many(make)})).found


def test_row_132_simulated_customers_raise_no_alarm():
    made = simulate(300, days=300, seed=5)
    for table in (made.interactions, made.truth.reset_index(), made.promotions, made.log(quiet=True)):
        assert not personal_data(table)


EXPECTED = {  # by a look at the columns
    ("bank_churn", "Surname", "person name"), ("foodmart", "lname", "person name"), ("foodmart", "fname", "person name"),
    ("foodmart", "fullname", "person name"), ("foodmart", "phone1", "phone"), ("foodmart", "phone2", "phone"), ("foodmart", "birthdate", "birth date"),
    ("foodmart", "store_phone", "phone"), ("foodmart", "store_fax", "phone"),
}  # fmt: skip


@pytest.mark.slow
def test_row_132_real_data_raise_true_alarms_only(data):
    found, columns = set(), 0
    for file in sorted(data.glob("*/*.parquet")):
        report = personal_data(pd.read_parquet(file))
        columns += report.columns
        found |= {(file.parent.name, f.column, f.kind) for f in report.found}
    assert columns > 1_000
    assert found == EXPECTED


def test_counts_and_shares_are_of_different_values_by_hand():
    values = ["a@b.com", "a@b.com", "c@d.com", "nothing", None, "  "]
    (found,) = personal_data(pd.DataFrame({"x": values})).found
    assert (found.kind, found.count, found.share) == ("e-mail", 2, pytest.approx(2 / 3))
    frame = personal_data(pd.DataFrame({"x": values})).to_frame()
    assert frame.values.tolist() == [["x", "e-mail", 2, pytest.approx(2 / 3)]]


def test_the_sample_does_not_depend_on_the_order_of_rows():
    values = pd.Series([f"a{i}@b.com" if i % 3 else f"word {i}" for i in range(5_000)])
    reports = [personal_data(values.sample(frac=1, random_state=s).to_frame("x"), sample=200) for s in range(3)]
    assert reports[0] == reports[1] == reports[2]
    assert 100 < reports[0].found[0].count < 200


@pytest.mark.parametrize("sample", [0, -1, 1.5, True, None])
def test_a_sample_is_a_whole_number(sample):
    with pytest.raises(DataContractError, match="sample must be"):
        personal_data(pd.DataFrame({"x": ["a"]}), sample=sample)


def test_anything_with_columns_may_be_looked_at():
    frame = pd.DataFrame(
        {
            "customer_id": ["a@b.com", "b@c.com"],
            "timestamp": pd.to_datetime(["2024-01-01"] * 2),
            "kind": ["x", "jo@b.com"],
        }
    )
    tables = [
        frame,
        pa.Table.from_pandas(frame),
        frame.astype({"customer_id": "category"}),
        frame.astype(object),
        InteractionLog.read(frame),
    ]
    for table in tables:
        assert {f.column for f in personal_data(table).found} == {"customer_id", "kind"}
    assert personal_data(frame.set_index("customer_id")).to_frame()["column"].tolist() == ["customer_id", "kind"]
    assert personal_data(frame["kind"]).columns == 1
    for wrong in (None, "x", [{"a": 1}]):
        with pytest.raises(DataTypeError):
            personal_data(wrong)
    assert not personal_data(np.zeros((3, 2)))
    assert not personal_data(pd.DataFrame())
    doubled = pd.DataFrame([["a@b.com", 1]], columns=["x", "x"])
    assert [f.column for f in personal_data(doubled).found] == ["x"]


def test_row_132_the_door_warns_of_columns_and_kinds_only():
    with pytest.warns(DataContractWarning, match=r"'login' \(e-mail\)") as caught:
        report = warn_of_personal_data(pd.DataFrame({"login": ["secret@b.com"], "n": [1]}))
    assert report
    assert "secret" not in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not warn_of_personal_data(pd.DataFrame({"n": [1]}))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_looked_at_without_effect(text):
    report = personal_data(pd.DataFrame({text: [text, "plain"], "y": ["a@b.com", text]}, dtype=object))
    assert ("y", "e-mail") in {(f.column, f.kind) for f in report.found}
    page = report._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "<svg" not in page


def test_names_of_columns_are_escaped():
    report = personal_data(pd.DataFrame({"<script>x</script>": ["a@b.com"]}))
    assert report
    assert "<script" not in report._repr_html_()


def test_lone_surrogates_and_odd_objects_are_survived():
    assert (
        personal_data(pd.DataFrame({"x": pd.Series(["\ud800", 7, 1.5, None, [1], b"x", {}], dtype=object)})).columns
        == 1
    )


@pytest.mark.parametrize(
    ("number", "true"),
    [("4111111111111111", True), ("5500005555555559", True), ("371449635398431", True), ("6200000000000005", True), ("6011000990139424", True),
     ("4111111111111112", False), ("1234567812345670", False), ("411111111111111", False), ("3530111333300000", True), ("2223003122003222", True)],
)  # fmt: skip
def test_published_test_cards(number, true):
    assert is_card(number) is true


@pytest.mark.parametrize(
    "text",
    [
        "GB82WEST12345698765432",
        "DE89370400440532013000",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "CH9300762011623852957",
    ],
)
def test_published_example_accounts_and_one_wrong_sign(text):
    assert is_iban(text)
    wrong = text[:-1] + str((int(text[-1]) + 1) % 10)
    assert not is_iban(wrong)
    assert not is_iban("XX" + text[2:])


def test_one_wrong_digit_of_a_resident_id_is_seen():
    for text in many(resident, 100):
        place = int(RNG.integers(14, 17))
        wrong = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        assert not is_resident_id(wrong)
    assert not is_resident_id("11010519491331002X")


def test_names_of_columns_by_hand():
    assert [
        names_people(c)
        for c in ("surname", "first name", "CustomerName", "姓名", "name", "product_name", "contact_name", "n")
    ] == [1, 1, 1, 1, 0.5, -1, 1, 0]
    assert [says_phone(c) for c in ("phone1", "Phone Number", "tel", "hotel", "phones_sold", "电话")] == [
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    assert [says_birth(c) for c in ("dob", "birthdate", "Date of Birth", "birthplace", "birth", "生日", "rebirth")] == [
        True,
        True,
        True,
        False,
        True,
        True,
        False,
    ]
