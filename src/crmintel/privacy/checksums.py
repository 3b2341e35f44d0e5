"""Numbers that carry their own proof: cards (Luhn), bank accounts (mod 97), Chinese resident identity numbers."""

from datetime import date
from typing import Final

_IBAN_COUNTRIES: Final = (
    "AD AE AL AT AZ BA BE BG BH BR BY CH CR CY CZ DE DK DO EE EG ES FI FO FR GB GE GI GL GR GT HR HU IE IL IQ IS IT JO KW KZ "
    "LB LC LI LT LU LV LY MC MD ME MK MR MT MU NL NO PK PL PS PT QA RO RS SA SC SE SI SK SM ST SV TL TN TR UA VA VG XK"
)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"


def is_card(digits: str) -> bool:
    """Whether 15 to 19 digits begin as the cards of a large issuer do, and their Luhn sum is right (ISO/IEC 7812-1).

    >>> is_card("4111111111111111"), is_card("4111111111111112")
    (True, False)
    """
    n = len(digits)
    two, four = int(digits[:2] or 0), int(digits[:4] or 0)
    issued = (
        (n == 16 and (digits[0] == "4" or 51 <= two <= 55 or 2221 <= four <= 2720 or four == 6011 or two in (35, 65)))
        or (n == 15 and two in (34, 37))
        or (16 <= n <= 19 and two == 62)
    )
    if not issued:
        return False
    doubled = [2 * int(d) for d in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether a text without blanks is a bank account number whose remainder by 97 is 1 (ISO 13616).

    >>> is_iban("GB82WEST12345698765432"), is_iban("GB83WEST12345698765432")
    (True, False)
    """
    if not (15 <= len(text) <= 34 and text.isascii() and text.isalnum() and text[:2] in _IBAN_COUNTRIES.split()):
        return False
    return text[2:4].isdigit() and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def is_resident_id(text: str) -> bool:
    """Whether 18 signs are a Chinese resident identity number: region, day of birth, check digit (GB 11643-1999).

    >>> is_resident_id("11010519491231002X"), is_resident_id("110105194912310021")
    (True, False)
    """
    if not (len(text) == 18 and text[:17].isascii() and text[:17].isdigit() and 11 <= int(text[:2]) <= 82):
        return False
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    check = _CHECKS[sum(int(d) * w for d, w in zip(text, _WEIGHTS, strict=False)) % 11]
    return 1900 <= born.year <= 2100 and text[17].upper() == check
