"""What is exported: every equation of docs/numerics.md that golden computes, the proof, and the round trip."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.export_parts import affine_arrays, fit, gelu_table, integer_bias, multiplier
from golden.integer import IntegerModel
from golden.pipeline import Quantised
from golden.proof import accumulator_bound, is_context_admitted
from golden.quantizers import two_scale, uniform
from golden.vit import Affine
from hwsim.errors import HwsimError
from hwsim.formats import ChannelScaled, TwoScale, Uniform
from hwsim.network import LayerNorm, load_network, save_network
from tests import oracle


def test_round_trip(tiny: Quantised, tiny_images: torch.Tensor, tmp_path: Path) -> None:
    save_network(tiny.network, tmp_path / "net")
    loaded = load_network(tmp_path / "net")
    assert loaded.manifest.model_copy(update={"arrays_sha256": ""}) == tiny.network.manifest
    assert loaded.arrays.keys() == tiny.network.arrays.keys()
    for name, array in tiny.network.arrays.items():
        assert np.array_equal(loaded.arrays[name], array), name
        assert loaded.arrays[name].dtype == array.dtype, name
    assert torch.equal(IntegerModel(loaded)(tiny_images[:3]), IntegerModel(tiny.network)(tiny_images[:3]))


def test_layers_run_in_the_documented_order(tiny: Quantised) -> None:
    names = [layer.name for layer in tiny.network.layers]
    block = ["norm1", "attn.qkv", "attn.scores", "attn.softmax", "attn.values", "attn.proj", "attn.add"]
    block += ["norm2", "mlp.fc1", "mlp.gelu", "mlp.fc2", "mlp.add"]
    expected = ["patches", "patch_embed", "embed", *(f"blocks.{i}.{n}" for i in range(2) for n in block)]
    assert names == [*expected, "norm", "head"]
    assert all(layer.output == layer.name for layer in tiny.network.layers)


def test_gelu_table_is_its_equation(tiny: Quantised) -> None:
    for index in range(2):
        name = f"blocks.{index}.mlp"
        pre, out = (tiny.network.tensor(f"{name}.{part}") for part in ("fc1", "gelu"))
        assert isinstance(out.format, TwoScale)
        for y, code in zip(range(-512, 512), tiny.network.arrays[f"{name}.gelu.table"].tolist(), strict=True):
            x = y * pre.scale
            gelu = Fraction(x * 0.5 * math.erfc(-x / math.sqrt(2)))
            found = oracle.term_value(oracle.decode(code, out.format)) * Fraction(out.scale)
            nearest = oracle.encode_two_scale_signed(gelu, Fraction(out.scale), out.format)
            best = oracle.term_value(oracle.decode(nearest, out.format)) * Fraction(out.scale)
            assert abs(found - gelu) <= abs(best - gelu) + Fraction(1, 10**9), y


def test_a_table_reaches_both_regions() -> None:
    pre = uniform.calibrate_symmetric(torch.tensor(6.0), 10)
    table = gelu_table(pre, two_scale.calibrate_gelu(6.0, 8, 3))
    assert table.shape == (1024,)
    assert table.dtype == np.uint8
    assert table[512] == 0
    assert table[-1] == 255
    assert table.min() >= 0
    assert (table[:512] < 128).all()


def test_epsilon_and_affine(tiny: Quantised) -> None:
    for layer in tiny.network.layers:
        if isinstance(layer, LayerNorm):
            unit = tiny.network.tensor(layer.input).scale
            assert layer.epsilon == round(tiny.model.vit.epsilon * 24**2 / unit**2)
            gamma = tiny.network.arrays[f"{layer.name}.gamma"].astype(np.float64)
            beta = np.abs(tiny.network.arrays[f"{layer.name}.beta"].astype(np.float64))
            assert np.abs(gamma).max() >= 2**14 or beta.max() >= 2**30 or layer.shift == 31


def test_the_largest_shift_that_fits_is_taken() -> None:
    affine = Affine(weight=torch.tensor([1.0, -2.0]), bias=torch.tensor([0.1, 0.3]))
    out = uniform.calibrate_asymmetric(-3, 3, 8)
    gamma, beta, shift = affine_arrays(affine, out.unit, out.format.zero_point)
    assert 2**14 <= np.abs(gamma).max() < 2**15
    scale = float(out.scale)
    assert gamma.tolist() == [math.floor(g / scale / 1024 * 2**shift + 0.5) for g in (1.0, -2.0)]
    exact = [(float(b) / scale + out.format.zero_point) * 2**shift for b in affine.bias]
    assert np.abs(beta - np.array(exact)).max() <= 1


def test_bounds_hold_for_the_worst_codes() -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randint(-128, 128, (5, 9), generator=generator).to(torch.int8)
    for fmt in (Uniform(bits=8, signed=False, zero_point=100), TwoScale(bits=8, exponent=3, small_signed=True)):
        terms = fmt.terms()
        values = terms.mantissa.astype(np.int64) << terms.shift.astype(np.int64)
        products = weight.numpy().astype(np.int64)[:, :, None] * values
        worst = np.maximum(products.max(2).clip(min=0).sum(1), (-products).max(2).clip(min=0).sum(1))
        assert accumulator_bound(fmt, weight).tolist() == worst.tolist()


def test_every_exponent_that_q016_allows_is_admitted_for_197_tokens() -> None:
    assert all(is_context_admitted(TwoScale(bits=8, exponent=m, small_signed=False), 197) for m in range(10))
    assert not is_context_admitted(TwoScale(bits=8, exponent=15, small_signed=False), 100_000)


def test_what_cannot_be_represented_is_one_sentence() -> None:
    with pytest.raises(HwsimError, match="x: scale ratio 40000 cannot be represented"):
        multiplier(40000.0, "x")
    with pytest.raises(HwsimError, match="x: scale ratio nan cannot be represented"):
        multiplier(math.nan, "x")
    with pytest.raises(HwsimError, match="x: 40000 cannot be represented, expected -32768 to 32767"):
        fit(torch.tensor([40000.0]), np.int16, "x")
    with pytest.raises(HwsimError, match=r"x: the accumulator could reach \d+, expected below 2\*\*31"):
        integer_bias(
            "x",
            TwoScale(bits=8, exponent=15, small_signed=True),
            torch.full((1, 9), 127, dtype=torch.int8),
            torch.zeros(1),
            torch.ones(1, dtype=torch.float64),
        )
    with pytest.raises(HwsimError, match="affine cannot be represented"):
        affine_arrays(Affine(weight=torch.tensor([1e9]), bias=torch.zeros(1)), 2 / 255, 128)


def test_residual_tensors_are_channel_scaled(tiny: Quantised) -> None:
    names = [n for n in tiny.network.manifest.tensors if n == "embed" or n.endswith(".add")]
    assert len(names) == 5
    for name in names:
        assert isinstance(tiny.network.tensor(name).format, ChannelScaled)
        assert tiny.network.arrays[f"{name}.shifts"].dtype == np.uint8
