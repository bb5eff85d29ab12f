"""A method's parts: every preset is whole, each part can be chosen alone, what does not apply is refused."""

from __future__ import annotations

from typing import Any

import pytest

from golden.method import METHODS, method_config
from hwsim.errors import HwsimError


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_every_preset_is_a_method(method: str, bits: int) -> None:
    config = method_config(method, bits)
    assert (config.method, config.bits, config.reconstruction) == (method, bits, None)


def test_the_papers_differ_where_they_say() -> None:
    parts = {m: method_config(m, 8) for m in METHODS}
    assert (parts["tsptq"].softmax, parts["tsptq"].gelu, parts["tsptq"].residual) == (
        "two_scale", "two_scale", "channel_scale",
    )  # fmt: skip
    assert (parts["adfq"].norm, parts["adfq"].outlier_threshold, parts["adfq"].softmax) == ("row", 5.0, "log_sqrt2")
    assert (parts["dopq"].fold, parts["dopq"].softmax, parts["repq"].fold) == ("median", "tanq_a", "mean")
    assert all(parts[m].residual == "wide" for m in METHODS if m not in ("tsptq", "fqvit"))


def test_the_logarithm_after_gelu_is_for_low_widths() -> None:
    assert [method_config("adfq", bits).gelu for bits in (8, 6, 4, 3)] == [
        "uniform", "uniform", "shift_log_sqrt2", "shift_log_sqrt2",
    ]  # fmt: skip
    assert method_config("adfq", 4, {"gelu": "shift_log2"}).gelu == "shift_log2"


def test_reconstruction_is_off_until_it_is_asked_for() -> None:
    chosen = method_config("adfq", 4, {"reconstruction": True}).reconstruction
    assert chosen is not None
    assert (chosen.attention_weight, chosen.iterations > 0) == (10.0, True)
    one = method_config("adfq", 4, {"reconstruction.iterations": 7}).reconstruction
    assert one is not None
    assert (one.iterations, one.attention_weight) == (7, 10.0)
    other = method_config("dopq", 4, {"reconstruction.iterations": 7}).reconstruction
    assert other is not None
    assert other.attention_weight == 0


@pytest.mark.parametrize(
    ("method", "bits", "parts", "sentence"),
    [
        ("magic", 8, {}, "method must be tsptq, .* or repq, not 'magic'"),
        ("tsptq", 9, {}, "bits: input should be less than or equal to 8, not 9"),
        ("tsptq", 2, {}, "bits: input should be greater than or equal to 3, not 2"),
        ("repq", 8, {"softmax": "soft"}, "softmax: input should be 'uniform'.*, not 'soft'"),
        ("repq", 8, {"sotfmax": "log2"}, "sotfmax: is not a known key"),
        ("repq", 8, {"outlier_threshold": 5.0}, "outlier_threshold = 5.0 applies only where norm is row"),
        ("repq", 8, {"exponent": 3}, "exponent = 3 applies only where softmax or gelu is two-scaled"),
        ("repq", 8, {"channel_rule": "mse"}, "channel_rule = mse applies only where residual is channel_scale"),
        ("repq", 8, {"residual": "channel_scale"}, "residual = channel_scale needs a channel_rule"),
        ("tsptq", 8, {"scales": 4}, "scales = 4 applies only where channel_rule is kmeans"),
        ("tsptq", 8, {"softmax_scale": "search"}, "softmax_scale = search applies only where softmax is log2"),
        ("adfq", 8, {"fold": "mean"}, "fold = mean makes one scale of many"),
        ("adfq", 8, {"reconstruction.iterations": -1}, "reconstruction.iterations: input should be greater"),
    ],
)
def test_what_does_not_fit_is_one_sentence(method: str, bits: int, parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HwsimError, match=sentence):
        method_config(method, bits, parts)
