from __future__ import annotations

import random

import numpy as np
import pytest
from pydantic import ValidationError

from hwsim.formats import Codebook
from hwsim.units.decoder_codebook import decode_codebook
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_code_decodes_as_the_oracle(bits: int) -> None:
    fmt = random_codebook(random.Random(bits), bits)
    codes = np.arange(1 << bits, dtype=np.uint8)[::-1].reshape(2, -1)
    mantissa, shift = decode_codebook(codes, fmt)
    decoded = zip(mantissa.reshape(-1).tolist(), shift.reshape(-1).tolist(), strict=True)
    assert list(decoded) == [oracle.decode(code, fmt) for code in reversed(range(1 << bits))]


def test_tanq_has_the_published_levels() -> None:
    fmt = tanq_codebook(3, 1.2, 15)
    terms = fmt.terms()
    levels = (terms.mantissa.astype(np.int64) << terms.shift) / 2**15
    assert levels == pytest.approx([0, 0.05319, 0.15248, 0.35328, 0.64672, 0.84752, 0.94681, 1], rel=3e-3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mantissas": (0, 1, 2)}, "must have 4 entries, not 3 and 4"),
        ({"shifts": (0, 0, 0)}, "must have 4 entries, not 4 and 3"),
        ({"mantissas": (0, 2, 1, 3)}, "must not fall"),
        ({"shifts": (0, 2, 0, 0)}, "must not fall"),
        ({"thresholds": (1, 2)}, "must be 3 or none, not 2"),
        ({"thresholds": (1, 3, 2)}, "thresholds must not fall"),
        ({"thresholds": (1, 2, 1 << 17)}, "less than 131072"),
        ({"shifts": (0, 0, 0, 32)}, "less than or equal to 31"),
    ],
)
def test_a_codebook_that_is_no_table_of_sorted_levels_is_refused(changes: dict[str, object], sentence: str) -> None:
    entries = {"bits": 2, "mantissas": (0, 1, 2, 3), "shifts": (0, 0, 0, 0), **changes}
    with pytest.raises(ValidationError, match=sentence):
        Codebook.model_validate(entries)


def test_a_codebook_survives_json() -> None:
    fmt = tanq_codebook(4, 1.4, 12)
    assert Codebook.model_validate_json(fmt.model_dump_json()) == fmt
