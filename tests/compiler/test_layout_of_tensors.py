"""Where elements lie in the activation buffer, against the equations of docs/microarchitecture.md."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.compiler.layout import Region, read_region, row_stride, words_of, write_region


def region(channels: int, halfwords: bool, word_bytes: int, base: int) -> Region:
    stride = row_stride(channels, halfwords, word_bytes)
    return Region(base=base, stride=stride, halfwords=halfwords, word_bytes=word_bytes)


@pytest.mark.parametrize("word_bytes", [8, 16, 64])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (16, 16), (37, 50)])
def test_codes_lie_in_skewed_blocks(word_bytes: int, shape: tuple[int, int]) -> None:
    rows, channels = shape
    place = region(channels, False, word_bytes, base=word_bytes)
    codes = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    words = word_bytes + words_of(rows, channels, False, word_bytes)
    memory = np.zeros(words * word_bytes, np.uint8)
    write_region(memory, place, codes)
    by_word = memory.reshape(words, word_bytes)
    for r in range(rows):
        for c in range(channels):
            word = word_bytes + r // word_bytes * place.stride + c
            assert by_word[word, (r + c) % word_bytes] == int(codes[r, c]) & 255
    assert (read_region(memory, place, shape).view(np.int8) == codes).all()


@pytest.mark.parametrize("word_bytes", [8, 16])
def test_halfwords_lie_in_rows(word_bytes: int) -> None:
    codes = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (5, 13)).astype(np.int16)
    place = region(13, True, word_bytes, base=3)
    memory = np.zeros((3 + words_of(5, 13, True, word_bytes)) * word_bytes, np.uint8)
    write_region(memory, place, codes)
    for r in range(5):
        start = (3 + r * place.stride) * word_bytes
        assert (memory[start : start + 26].view("<i2") == codes[r]).all()
    assert (read_region(memory, place, codes.shape).view(np.int16) == codes).all()


def test_a_part_of_a_tensor_is_written_and_read_in_place() -> None:
    place = region(20, False, 8, base=0)
    memory = np.zeros(words_of(10, 20, False, 8) * 8, np.uint8)
    part = np.arange(12, dtype=np.uint8).reshape(3, 4) + 1
    write_region(memory, place, part, first_row=6, first_channel=5)
    whole = read_region(memory, place, (10, 20))
    assert (whole[6:9, 5:9] == part).all()
    assert whole.sum() == part.sum()
