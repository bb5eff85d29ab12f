"""Weights come from safetensors and PyTorch files alike; a file that does not fit is one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from golden.finite import check_finite
from golden.from_timm import load_model
from golden.shipped import FASHION_MNIST_VIT, build_model
from hwsim.errors import HwsimError

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    return build_model(FASHION_MNIST_VIT).state_dict()


class Stranger:
    """A type that no file of weights may bring along."""


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("w.safetensors", None),
        ("w.pth", lambda state: state),
        ("w.pt", lambda state: {"model": state}),
        ("W.PTH", lambda state: {"state_dict": state, "epoch": 3, "args": argparse.Namespace(lr=0.1)}),
        ("w.pth", lambda state: {key: value.double() for key, value in state.items()}),
    ],
)
def test_files_of_weights(name: str, wrap: Callable[[State], object] | None, state: State, tmp_path: Path) -> None:
    if wrap is None:
        save_file(state, tmp_path / name)
    else:
        torch.save(wrap(state), tmp_path / name)
    model = load_model(FASHION_MNIST_VIT, tmp_path / name)
    assert torch.equal(model.vit.head.weight, state["head.weight"])
    assert torch.equal(model.vit.blocks[5].fc2.bias, state["blocks.5.mlp.fc2.bias"])
    assert model.vit.position.dtype == torch.float32
    assert model.weights == name


def poisoned(state: State, value: float) -> State:
    weight = state["blocks.1.attn.qkv.weight"].clone()
    weight[2, 3] = weight[7, 0] = value
    return state | {"blocks.1.attn.qkv.weight": weight}


MISFITS: list[tuple[Callable[[State], State], str]] = [
    (lambda state: {k: v for k, v in state.items() if k != "head.bias"}, "head.bias is missing (1 such keys)"),
    (lambda state: state | {"extra": torch.zeros(1)}, "extra is not a key of the model (1 such keys)"),
    (lambda state: state | {"head.bias": torch.zeros(7)}, "head.bias has shape [7], expected [10]"),
    (lambda state: state | {"head.bias": torch.zeros(10, dtype=torch.int8)}, "head.bias has type int8, expected float"),
    (
        lambda state: poisoned(state, float("nan")),
        "blocks.1.attn.qkv.weight: 2 of 27648 values are not finite, the first is nan at [2, 3]",
    ),
    (lambda state: poisoned(state, float("-inf")), "the first is -inf at [2, 3]"),
    (
        lambda state: state | {"head.bias": torch.full([10], 1e300, dtype=torch.float64)},
        "head.bias: 10 of 10 values are not",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), MISFITS)
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_weights_that_do_not_fit(
    name: str, change: Callable[[State], State], sentence: str, state: State, tmp_path: Path
) -> None:
    path = tmp_path / name
    (torch.save if path.suffix == ".pth" else save_file)(change(state), path)
    assert sentence in mistake(path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("w.safetensors", None, "no weights file here (expected safetensors, .pth or .pt)"),
        ("w.safetensors", b"not weights", "not a safetensors file"),
        ("w.safetensors", b"", "not a safetensors file"),
        ("w.pth", b"not weights", "not a file of plain PyTorch tensors"),
        ("w.pth", b"", "not a file of plain PyTorch tensors"),
        ("w.pth", {}, "holds nothing, expected tensors under timm's key names"),
        ("w.pth", [1, 2], "holds a value of type list, expected tensors under timm's key names"),
        ("w.pth", {"epoch": 3}, "epoch is a value of type int, expected tensors under timm's key names"),
        ("w.pth", {"model": Stranger()}, "not a file of plain PyTorch tensors"),
    ],
)
def test_files_that_are_no_weights(name: str, content: object, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    assert sentence in mistake(path)


def test_a_truncated_file(state: State, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:1000])
    assert "not a file of plain PyTorch tensors" in mistake(path)


def mistake(path: Path) -> str:
    with pytest.raises(HwsimError) as caught:
        load_model(FASHION_MNIST_VIT, path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text


def test_finite_tensors_pass() -> None:
    check_finite("blocks.0.norm1", torch.tensor([1e38, -1e38]))
    with pytest.raises(HwsimError, match=r"blocks\.0\.norm1: 1 of 2 values are not finite, the first is inf at \[1\]"):
        check_finite("blocks.0.norm1", torch.tensor([0, torch.inf]))
