"""Text as codes of a dictionary: every rule looks at each different text once, however many rows hold it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bool = npt.NDArray[np.bool_]
WORDS = pa.dictionary(pa.int32(), pa.large_string())


def encoded(text: pa.ChunkedArray) -> pa.DictionaryArray:
    """Text of any Arrow type, coded or not, as one array with each text once in its dictionary, which may hold more than the rows."""
    return joined(encoded_chunks(text), WORDS)


def encoded_chunks(text: pa.ChunkedArray) -> list[pa.DictionaryArray]:
    """The same as several arrays with one dictionary."""
    if pa.types.is_dictionary(text.type):
        chunks = [
            pa.DictionaryArray.from_arrays(c.indices.cast(pa.int32()), c.dictionary.cast(pa.large_string()), safe=False)
            for c in text.chunks
        ]
        if any(c.dictionary.null_count or len(pc.unique(c.dictionary)) < len(c.dictionary) for c in chunks):
            return encoded_chunks(pa.chunked_array([decoded(c) for c in chunks]))
        coded = pa.chunked_array(chunks, WORDS)
    else:
        coded = text.cast(pa.large_string()).dictionary_encode()
    found: list[pa.DictionaryArray] = coded.unify_dictionaries().chunks
    return found


def joined(chunks: list[pa.Array], kind: pa.DataType) -> pa.Array:
    """One array, copied only if there are several."""
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks) if chunks else pa.array([], kind)


def decoded(values: pa.Array, kind: pa.DataType | None = None) -> pa.Array:
    """The values themselves, coded or not, as `kind`."""
    if pa.types.is_dictionary(values.type):
        return pc.take(decoded(values.dictionary, kind), values.indices)
    return values if kind is None else values.cast(kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def holding(coded: pa.DictionaryArray, wanted: pa.Array) -> Bool:
    """The rows whose text is wanted, by a mask of the dictionary."""
    mask = wanted.to_numpy(zero_copy_only=False)
    if not mask.any():
        return np.zeros(len(coded), bool)
    rows: Bool = np.append(mask, False)[positions(coded)]
    return rows


def positions(coded: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """The place of each row in the dictionary, or the one after its end for missing text."""
    indices = coded.indices.fill_null(len(coded.dictionary)) if coded.null_count else coded.indices  # filling copies
    found: npt.NDArray[np.int32] = indices.to_numpy()
    return found


def without(coded: pa.DictionaryArray, unwanted: pa.Array) -> pa.DictionaryArray:
    """The same with missing text where it is unwanted, by a mask of the dictionary."""
    rows = holding(coded, unwanted)
    if not rows.any():
        return coded
    return pa.DictionaryArray.from_arrays(pc.if_else(pa.array(rows), None, coded.indices), coded.dictionary)


def replaced(coded: pa.DictionaryArray, rows: Bool, text: str) -> pa.DictionaryArray:
    """The same with one text in some rows."""
    if not rows.any():
        return coded
    known = coded.dictionary
    place = pc.index(known, text).as_py()
    if place < 0:
        place, known = len(known), pa.concat_arrays([known, pa.array([text], pa.large_string())])
    return pa.DictionaryArray.from_arrays(
        pc.if_else(pa.array(rows), pa.scalar(place, pa.int32()), coded.indices), known
    )


def present(coded: pa.DictionaryArray) -> pa.Array:
    """The different texts of the rows."""
    return pc.take(coded.dictionary, pc.unique(coded.indices.drop_null()))
