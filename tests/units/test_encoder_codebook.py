from __future__ import annotations

import random

import numpy as np
import pytest

from hwsim.formats import Codebook
from hwsim.units.encoder_codebook import encode_codebook
from tests import oracle
from tests.codebooks import random_codebook, tanq_codebook

EVERY = np.arange(65537, dtype=np.int32)


@pytest.mark.parametrize("bits", range(2, 9))
def test_around_every_threshold_equals_the_oracle(bits: int) -> None:
    fmt = random_codebook(random.Random(bits), bits)
    near = [threshold + delta for threshold in fmt.thresholds for delta in (-1, 0, 1)]
    probabilities = [0, 65536, *(p for p in near if 0 <= p <= 65536)]
    got = encode_codebook(np.array(probabilities, np.int32), fmt)
    assert got.tolist() == [oracle.encode_probability(p, fmt) for p in probabilities]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_every_probability_is_counted(bits: int) -> None:
    fmt = random_codebook(random.Random(90 + bits), bits)
    counted = np.searchsorted(np.array(fmt.thresholds), EVERY, side="right")
    assert (encode_codebook(EVERY, fmt) == counted).all()


def test_tanq_takes_the_nearest_level() -> None:
    fmt = tanq_codebook(4, 1.4, 12)
    terms = fmt.terms()
    levels = (terms.mantissa.astype(np.int64) << terms.shift) << 4  # in units of 2**-16
    distance = np.abs(levels[:, None] - EVERY)
    assert (distance[encode_codebook(EVERY, fmt), EVERY] == distance.min(0)).all()


def test_a_codebook_without_thresholds_is_refused() -> None:
    fmt = Codebook(bits=2, mantissas=(0, 1, 2, 3), shifts=(0, 0, 0, 0))
    with pytest.raises(ValueError, match="needs its thresholds"):
        encode_codebook(np.zeros(1, np.int32), fmt)
