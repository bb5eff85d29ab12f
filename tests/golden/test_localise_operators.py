"""What a localisation stands on: parameters come back from the network, each mode is the mode that it says it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from golden.from_timm import Model
from golden.integer import OUTLIERS, IntegerModel
from golden.localise_formats import quantiser_of, saturated, terms_of
from golden.localise_operators import Mode, Operators
from golden.localise_parameters import recover
from golden.localise_statistics import TensorStatistics, decibels, rows_read
from golden.method import method_config
from golden.paper import PaperModel
from golden.pipeline import Quantised, quantise
from golden.quantizers.codebook import CodebookQuantiser
from golden.quantizers.uniform import UniformQuantiser
from golden.vit import Vit, forward
from hwsim.errors import HwsimError
from hwsim.formats import Uniform
from hwsim.network import Network

METHODS = {"tsptq": 8, "adfq": 4, "dopq": 4, "fqvit": 8}
"""Between them every format: V-2SF, O-2SF, rows with outliers, logarithms, codebooks, folded LayerNorms."""


@pytest.fixture(scope="module", params=METHODS)
def quantised(request: pytest.FixtureRequest, tiny_model: Model, tiny_images: torch.Tensor) -> Quantised:
    config = method_config(request.param, METHODS[request.param], {"rounds": 1, "seed": 1})
    return quantise(tiny_model, tiny_images[:8], config, lambda _: None)


def run(operators: Operators, images: torch.Tensor, mode: Mode) -> dict[str, torch.Tensor]:
    tensors = {"image": images.double()}
    with torch.inference_mode():
        for layer in operators.network.layers:
            tensors[layer.output] = operators.run(layer, tensors, mode)
    return tensors


def logits(operators: Operators, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return operators.value("head", tensors["head"]).flatten(1)


def test_integer_mode_is_that_of_golden_in_every_code(quantised: Quantised, tiny_images: torch.Tensor) -> None:
    network = quantised.network
    operators = Operators(network, recover(network, quantised.model.vit))
    found = run(operators, tiny_images[8:24], Mode.INTEGER)
    model = IntegerModel(network)
    codes = {"image": tiny_images[8:24].long()}
    for layer in network.layers:
        codes[layer.output] = model.run_layer(layer, codes)
    tables = [name for name in network.manifest.tensors if name.endswith((".fc1", ".scores"))]
    for name in network.manifest.tensors.keys() - {"image", *tables}:
        expected = terms_of(network, name, codes[name], codes.get(name + OUTLIERS))
        assert torch.equal(found[name], expected), name
    for name in tables:  # their sums stay unrounded until the table is read
        fmt = network.tensor(name).format
        assert torch.equal(torch.floor(found[name] + 0.5).clamp(fmt.minimum, fmt.maximum).long(), codes[name]), name


def test_float_mode_is_the_float_network(quantised: Quantised, tiny_images: torch.Tensor) -> None:
    operators = Operators(quantised.network, recover(quantised.network, quantised.model.vit))
    expected = forward(quantised.model.vit, tiny_images[8:24])
    torch.testing.assert_close(
        logits(operators, run(operators, tiny_images[8:24], Mode.FLOAT)).float(), expected, atol=2e-5, rtol=0
    )


def test_paper_mode_is_golden_s_with_the_recovered_parameters(quantised: Quantised, tiny_images: torch.Tensor) -> None:
    """Its own taps are followed, tensor by tensor, so that a rounding that falls the other way does not spread."""
    recovered = recover(quantised.network, quantised.model.vit)
    operators = Operators(quantised.network, recovered)
    model, tensors = PaperModel(recovered), {"image": tiny_images[8:16].double()}
    tapped: dict[str, torch.Tensor] = {}

    def tap(name: str, x: torch.Tensor) -> torch.Tensor:
        tapped[name] = model.tap(name, x)
        return tapped[name]

    with torch.inference_mode():
        forward(model.vit, tiny_images[8:16], tap)
        for layer in quantised.network.layers:
            found = operators.value(layer.output, operators.run(layer, tensors, Mode.PAPER))
            tensors[layer.output] = operators.run(layer, tensors, Mode.PAPER)
            if layer.output in tapped:
                value = tapped[layer.output].double().reshape(found.shape)
                if layer.output.endswith(".scores"):
                    value = value * math.log2(math.e)
                error = (found - value).square().sum() / value.square().sum()
                assert error < 1e-5, layer.output
                tensors[layer.output] = (value - operators.offsets[layer.output]) / operators.units[layer.output]


def test_parameters_come_back(quantised: Quantised) -> None:
    expected, found = quantised.calibrated, recover(quantised.network, quantised.model.vit)
    assert found.weights.keys() == expected.weights.keys()
    for name, weight in expected.weights.items():
        assert torch.equal(found.weights[name].codes, weight.codes)
        # q and k are known by their product and by their codes
        tolerance = 5e-3 if name.endswith("qkv") else 2**-14
        torch.testing.assert_close(found.weights[name].scale, weight.scale, rtol=tolerance, atol=0)
    assert found.activations.keys() == expected.activations.keys()
    for name, quantiser in expected.activations.items():
        back = found.activations[name]
        assert back.format == quantiser.format, name
        assert back.unit == pytest.approx(quantiser.unit, rel=5e-3 if name.endswith("qkv") else 2**-14), name
        assert back.offset == quantiser.offset
    for old, new in zip(expected.vit.blocks, found.vit.blocks, strict=True):
        torch.testing.assert_close(new.norm1.weight, old.norm1.weight, rtol=1e-3, atol=0)
        torch.testing.assert_close(new.qkv.weight, old.qkv.weight, rtol=1e-3, atol=1e-6)


def test_other_weights_are_refused(tiny: Quantised, tiny_model: Model) -> None:
    vit = tiny_model.vit
    swapped = Vit(**{**vars(vit), "blocks": vit.blocks[::-1]})
    with pytest.raises(HwsimError, match=r"blocks\.0\.attn\.qkv: the codes of network tiny are not of these float"):
        recover(tiny.network, swapped)
    with pytest.raises(HwsimError, match=r"has \(2, 17, 24, 10\) blocks, .* the float network \(1, 17, 24, 10\)"):
        recover(tiny.network, Vit(**{**vars(vit), "blocks": vit.blocks[:1]}))


def test_sqnr_of_known_tensors(tiny: Quantised) -> None:
    assert decibels(100, 1) == 20
    assert decibels(1, 0) == math.inf
    assert math.isnan(decibels(0, 0))
    statistics = TensorStatistics(tiny.network, "blocks.0.attn.proj", "linear", rows=17)
    reference = torch.zeros(2, 17, 24, dtype=torch.float64)
    reference[..., 0], reference[..., 5] = 8.0, 2.0
    statistics.add(reference, reference * 1.1, reference * 1.01, reference + (reference == 2.0) * 1.0)
    statistics.add_codes(torch.tensor([[-32768, 32767, 0, 5]]), None)
    found = statistics.figures()
    assert found.sqnr_paper_db == pytest.approx(20)
    assert found.sqnr_integer_db == pytest.approx(40)
    assert found.sqnr_own_db == pytest.approx(10 * math.log10(68))
    assert (found.worst_channel, found.worst_channel_db) == (5, pytest.approx(10 * math.log10(4)))
    assert found.saturation_percent == 50


def test_rows_that_nothing_reads_do_not_count(tiny: Quantised) -> None:
    rows = rows_read(tiny.network)
    assert [rows[f"blocks.1.{end}"] for end in ("norm1", "attn.qkv", "attn.scores", "mlp.gelu", "mlp.add")] == [
        *(17, 17, 1, 1, 1)
    ]
    assert rows["blocks.0.mlp.add"] == rows["embed"] == 17
    statistics = TensorStatistics(tiny.network, "blocks.1.mlp.add", "residual", rows=1)
    x = torch.ones(1, 17, 24, dtype=torch.float64)
    spoilt = x.clone()
    spoilt[:, 1:] = 99
    statistics.add(x, x, spoilt, x)
    statistics.add_codes(torch.zeros(1, 17, 24, dtype=torch.int64), None)
    assert statistics.figures().sqnr_integer_db == math.inf
    assert statistics.elements == 24


def test_ends_of_formats(quantised: Quantised) -> None:
    """The code of zero is no end, and the largest value is one in every format."""
    network = quantised.network
    for name in ("blocks.0.norm1", "blocks.0.attn.softmax", "blocks.0.mlp.gelu", "blocks.0.mlp.add"):
        quantiser, shape = quantiser_of(network, name), network.tensor(name).shape
        largest = 1e6 if name.endswith("add") else 2.0 if quantiser.format.kind == "row_uniform" else 1e3
        codes = quantiser.quantize(torch.full((1, *shape), largest)).long()
        if quantiser.format.kind != "row_uniform":
            assert bool(saturated(network, name, codes, shape[-2]).all()), name
        zeros = quantiser.quantize(torch.zeros(1, *shape)).long()
        assert not bool(saturated(network, name, zeros, shape[-2]).any()), name


def test_codes_of_a_quantiser_are_those_of_the_network(quantised: Quantised) -> None:
    """GELU's table and the quantiser that is read from its format agree, but where two levels are as near."""
    network = quantised.network
    pre, gelu = (quantiser_of(network, f"blocks.0.mlp.{end}") for end in ("fc1", "gelu"))
    assert isinstance(pre, UniformQuantiser)
    y = torch.arange(pre.format.minimum, pre.format.maximum + 1, dtype=torch.float64) * pre.scale.double()
    table = torch.from_numpy(network.arrays["blocks.0.mlp.gelu.table"].astype(np.int64))
    different = (gelu.quantize(torch.nn.functional.gelu(y)).long() != table).sum()
    assert different <= (2 if isinstance(gelu, CodebookQuantiser) else 0)


def test_a_probability_of_zero_is_no_end(tiny: Quantised) -> None:
    name, manifest = "blocks.0.attn.softmax", tiny.network.manifest
    spec = manifest.tensors[name].model_copy(update={"format": Uniform(bits=4, signed=False)})
    changed = manifest.model_copy(update={"tensors": {**manifest.tensors, name: spec}})
    codes = torch.tensor([[0, 15, 3]])
    assert saturated(Network(changed, tiny.network.arrays), name, codes, 1).tolist() == [[False, True, False]]
