"""What personal data look like: the words in names of columns, and the shapes of values."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, final

from crmintel.privacy.checksums import is_card, is_iban, is_resident_id

LONGEST: Final = 2_000
"""Signs of a text that are looked at."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_DATE: Final = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")
_PHONE: Final = re.compile(r"\+?[\d(][\d\s().\-/]{5,22}\d(?:\s?(?:x|ext\.?)\s?\d{1,5})?")
_LOCAL_PHONE: Final = re.compile(
    r"\(\d{2,5}\)\s?\d[\d\s-]{4,10}\d|\d{3}[-. ]\d{3}[-. ]\d{4}|0\d{2,4}[- ]\d{3,4}[- ]?\d{3,4}"
)
_CHINESE_MOBILE: Final = re.compile(r"(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}")
_GROUPED: Final = re.compile(r"(?<!\d)\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}(?!\d)")
_RUN: Final = re.compile(r"(?<![\w.])\d{15,19}(?![\w.])")
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_RESIDENT: Final = re.compile(r"(?<!\w)\d{17}[\dXx](?!\w)", re.ASCII)
_NAME: Final = re.compile(r"[^\W\d_]+(?:['’.-]{1,2}[^\W\d_]+)*[.]?")
_HAN_NAME: Final = re.compile(r"[㐀-鿿]{2,4}|[㐀-鿿]{1,6}·[㐀-鿿]{1,8}")
_SPLIT: Final = re.compile(r"[^a-z0-9一-鿿]+|(?<=[一-鿿])(?=[a-z])")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SURE_NAMES: Final = _words(
    "firstname lastname surname forename givenname familyname fullname fname lname maidenname middlename customername clientname "
    "contactname username personname recipient cardholder cardholdername accountholder holdername patient employeename"
)
_NAME_WORDS: Final = _words("name names contact customer client person member user owner holder manager employee buyer")
_NOT_PEOPLE: Final = _words(
    "product item brand category title description artist album track movie film game book file city country region state street "
    "shop store company department event campaign promotion promo channel segment tier type kind class model media column feature "
    "page url host domain genre publisher district family subcategory plan variable metric"
)
_CHINESE_NAMES: Final = (
    "姓名",
    "名字",
    "姓氏",
    "联系人",
    "收货人",
    "收件人",
    "持卡人",
    "客户名称",
    "会员名",
    "真实姓名",
)
_PHONES: Final = _words(
    "phone phones telephone tel mobile cell cellphone fax phonenumber mobilephone whatsapp msisdn handy"
)
_CHINESE_PHONES: Final = ("电话", "手机", "传真", "联系方式")
_BIRTH: Final = re.compile(
    r"^(?:dob|bday|birth)$|birth_?(?:day|date|year)|(?:date|day|year)_of_birth|born_(?:on|at)|(?:^|_)dob(?:_|$)"
)
_CHINESE_BIRTH: Final = ("出生日期", "出生年月", "生日", "出生")

GIVEN_NAMES: Final = _words("james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald steven paul "
    "andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry "
    "justin scott brandon benjamin samuel gregory frank alexander raymond patrick jack dennis jerry tyler aaron jose adam nathan henry "
    "peter oliver harry simon martin luis carlos juan pedro miguel antonio manuel francisco jean pierre michel hans klaus jan lars "
    "mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty margaret sandra ashley kimberly emily "
    "donna michelle carol amanda melissa deborah stephanie rebecca sharon laura cynthia kathleen amy angela shirley anna brenda pamela "
    "emma nicole helen samantha katherine christine debra rachel carolyn janet catherine maria heather diane ruth julie olivia joyce "
    "virginia victoria kelly lauren christina joan evelyn judith megan andrea cheryl hannah jacqueline martha gloria teresa ann sara "
    "madison frances kathryn janice jean alice julia sophie lucy charlotte marie claire ingrid ursula petra monika ana carmen isabel "
    "wei fang min jing yan lei tao ming hui ying mohammed muhammad ahmed ali fatima omar priya rahul amit anita sanjay yuki hiroshi")  # fmt: skip


def words_of(column: object) -> tuple[str, ...]:
    """The words in the name of a column, in lower case.

    >>> words_of("CustomerPhone_No")
    ('customer', 'phone', 'no')
    """
    text = _CAMEL.sub("_", str(column)[:LONGEST]).lower()
    return tuple(w.rstrip("0123456789") or w for w in _SPLIT.split(text) if w)


def says_phone(column: object) -> bool:
    words = words_of(column)
    return bool(_PHONES & {*words, "".join(words)}) or any(w in str(column) for w in _CHINESE_PHONES)


def says_birth(column: object) -> bool:
    """Whether the name of a column promises dates of birth."""
    return bool(_BIRTH.search("_".join(words_of(column)))) or any(w in str(column) for w in _CHINESE_BIRTH)


def names_people(column: object) -> float:
    """How surely a column speaks of names of people: 1 surely, 0.5 perhaps, 0 does not say, −1 of something else."""
    words, text = words_of(column), str(column)
    if any(w in text for w in _CHINESE_NAMES):
        return 1.0
    pairs = {"".join(words[i : i + 2]) for i in range(len(words))}
    if _NOT_PEOPLE & set(words) and not ({"manager", "owner", "contact"} & set(words)):
        return -1.0
    if _SURE_NAMES & {*words, *pairs}:
        return 1.0
    return 0.5 if _NAME_WORDS & set(words) else 0.0


def has_email(text: str) -> bool:
    return "@" in text and bool(_EMAIL.search(text))


def is_phone(text: str) -> bool:
    """Whether a whole value is a telephone number, in a column whose name says so."""
    plain = text.strip()
    return bool(_PHONE.fullmatch(plain)) and 7 <= sum(map(str.isdigit, plain)) <= 20 and not _DATE.fullmatch(plain)


def looks_like_phone(text: str) -> bool:
    """Whether a whole value is a telephone number by its shape alone: international, with separators, or a Chinese mobile."""
    plain = text.strip()
    if plain.startswith("+"):
        return is_phone(plain) and sum(map(str.isdigit, plain)) >= 8
    return bool(_CHINESE_MOBILE.fullmatch(plain) or _LOCAL_PHONE.fullmatch(plain)) and not _DATE.fullmatch(plain)


def cards(text: str) -> tuple[bool, bool]:
    """Whether a text holds a number as long as a card's, and whether one of them proves to be a card."""
    found = [re.sub(r"[ -]", "", m) for m in (*_GROUPED.findall(text), *_RUN.findall(text))]
    found = [f for f in found if f.isascii()]
    return bool(found), any(map(is_card, found))


def has_iban(text: str) -> bool:
    return any(is_iban(m.replace(" ", "")) for m in _IBAN.findall(text))


def has_resident_id(text: str) -> bool:
    return any(map(is_resident_id, _RESIDENT.findall(text)))


def is_address(text: str) -> bool:
    """Whether a whole value is an internet address, version 4 or 6."""
    plain = text.strip()
    if not (7 <= len(plain) <= 45 and (plain.count(".") == 3 or plain.count(":") >= 2)):
        return False
    try:
        ip_address(plain)
    except ValueError:
        return False
    return True


def is_name(text: str) -> bool:
    """Whether a whole value could be one person's name: one to four capitalised words without digits, or two to four Han signs."""
    words = text.strip().replace(",", " ").split()
    if len(words) == 1 and _HAN_NAME.fullmatch(words[0]):
        return True
    return 1 <= len(words) <= 4 and all(_NAME.fullmatch(w) and not w[0].islower() for w in words)


def is_full_name(text: str) -> bool:
    """Whether a value is two or three capitalised words, the first a given name that many people have."""
    words = text.strip().split()
    return len(words) in (2, 3) and is_name(text) and words[0].lower() in GIVEN_NAMES and not text.isupper()


@final
@dataclass(frozen=True)
class Pattern:
    """A kind of personal data: which columns and values are of it.

    Parameters
    ----------
    kind : str
    count : callable
        From the name of a column and a sample of its values, as text, to how many of them are of the kind; 0 if too few are.
    """

    kind: str
    count: Callable[[object, Sequence[str]], int]


def _at_least(share: float, hits: int, of: int) -> int:
    return hits if hits and hits >= share * of else 0


def _phones(column: object, values: Sequence[str]) -> int:
    if says_phone(column):
        return _at_least(0.1, sum(map(is_phone, values)), len(values))
    return _at_least(0.3, sum(map(looks_like_phone, values)), len(values))


def _people(column: object, values: Sequence[str]) -> int:
    sure = names_people(column)
    if sure < 0:
        return 0
    if sure == 1:
        return _at_least(0.3, sum(map(is_name, values)), len(values))
    named, full = sum(map(is_name, values)), sum(map(is_full_name, values))
    least = 0.1 if sure else 0.3
    return named if named >= 0.8 * len(values) and full and full >= least * len(values) else 0


def _cards(column: object, values: Sequence[str]) -> int:
    seen = [cards(v) for v in values]
    return _at_least(0.5, sum(real for _, real in seen), sum(long for long, _ in seen))


PATTERNS: Final = (
    Pattern("e-mail", lambda _, values: sum(map(has_email, values))),
    Pattern("phone", _phones),
    Pattern("person name", _people),
    Pattern("card number", _cards),
    Pattern("IBAN", lambda _, values: sum(map(has_iban, values))),
    Pattern("Chinese resident id", lambda _, values: sum(map(has_resident_id, values))),
    Pattern("IP address", lambda _, values: _at_least(0.3, sum(map(is_address, values)), len(values))),
    Pattern("birth date", lambda column, values: len(values) if says_birth(column) else 0),
)
