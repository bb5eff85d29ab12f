from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.units.im2col import im2col
from tests import oracle


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]), st.booleans())
def test_rows_equal_the_oracle(patch: int, down: int, across: int, channels: int, class_token: bool) -> None:
    rng = np.random.default_rng(patch)
    image = rng.integers(0, 256, (down * patch, across * patch, channels)).astype(np.uint8)
    class_row = 117 if class_token else None
    got = im2col(image, patch, class_row)
    assert got.tolist() == oracle.im2col(image.tolist(), patch, class_row)
    assert got.flags.c_contiguous


def test_columns_are_in_the_order_of_a_convolutions_weight() -> None:
    image = np.arange(2 * 2 * 3).astype(np.uint8).reshape(2, 2, 3)
    assert im2col(image, 2, None).tolist() == [image.transpose(2, 0, 1).ravel().tolist()]


def test_class_token_row_holds_the_zero_point() -> None:
    rows = im2col(np.zeros((4, 4, 1), np.uint8), 4, 73)
    assert rows[0].tolist() == [73] * 16
    assert rows.shape == (2, 16)


def test_image_that_is_not_whole_patches_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of patch 4, not 5 and 8"):
        im2col(np.zeros((5, 8, 1), np.uint8), 4, None)
