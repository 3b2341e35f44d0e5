"""Identifiers that a careless reader would take for one another."""

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc


def normalised(text: pa.Array) -> pa.Array:
    """Text in NFKC form, lower case, without surrounding spaces."""
    plain = text.cast(pa.large_string())
    strange = pc.fill_null(pc.invert(pc.string_is_ascii(plain)), False)
    if pc.any(strange).as_py():  # Arrow's own normalising leaves accents apart
        composed = [unicodedata.normalize("NFKC", t) for t in plain.filter(strange).to_pylist()]
        plain = pc.replace_with_mask(plain, strange, pa.array(composed, pa.large_string()))
    return pc.utf8_trim_whitespace(pc.utf8_lower(plain))


def likeness(ids: pa.Array) -> pa.Array:
    """What identifiers have in common whose case, spaces, width or leading zeros differ; integers are only like themselves."""
    if pa.types.is_integer(ids.type):
        return ids
    plain = normalised(ids)
    short = pc.utf8_ltrim(plain, "0")
    return pc.if_else(pc.equal(short, ""), "0", short)
