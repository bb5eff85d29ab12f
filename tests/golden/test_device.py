"""``--device``: what runs on the CPU runs on a device that refuses what CUDA refuses, and exports the same network.

There is no GPU in the tests: a fake device (``fake_device``) computes with the CPU's numbers, so arrays must be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from golden.augment import enough_images
from golden.device import CPU, describe, find_device
from golden.from_timm import Model
from golden.integer import IntegerModel
from golden.method import METHODS, method_config
from golden.paper import PaperModel
from golden.pipeline import Quantised, Reconstruction, measure, quantise
from golden.vit import forward
from hwsim import cli
from hwsim.errors import HwsimError
from hwsim.flows.compare import plan
from hwsim.flows.compare_options import CompareOptions
from hwsim.flows.compare_store import Store
from hwsim.flows.quantize import QuantizeOptions, quantize
from hwsim.network import load_network
from tests.golden.fake_device import DEVICE, fake_device
from tests.tiny_swin import tiny_swin_images, tiny_swin_model

LEARN = {"iterations": 2, "images": 10, "batch": 4}
"""Of 8 images one fourth judges and six teach, so that crops stand in for four."""
LABELS = torch.arange(4)
PARTS: list[dict[str, Any]] = [
    {"residual": "channel_scale", "channel_rule": "kmeans", "scales": 3, "softmax": "tanq_c", "gelu": "shift_log2"},
    {"residual": "channel_scale", "channel_rule": "prefix", "fold": "smooth", "softmax": "uniform",
     "softmax_scale": "search", "gelu": "sign_split", "exponent": 2},
    {"residual": "channel_scale", "channel_rule": "threshold", "norm": "row", "softmax": "log2", "gelu": "two_scale",
     "exponent": 2, "metric": "sensitivity"},
    {"residual": "channel_scale", "channel_rule": "mse", "weight_scales": "tensor", "softmax": "twin", "exponent": 3},
]  # fmt: skip
"""What is in no method at 4 bits."""


@pytest.fixture(scope="module")
def model(tiny_model: Model) -> Model:
    """The tiny network with one block: every operator, in half the time."""
    return replace(tiny_model, vit=replace(tiny_model.vit, blocks=tiny_model.vit.blocks[:1]))


def assert_same(found: Quantised, expected: Quantised) -> None:
    """Both networks are one, but for the device in the record."""
    origins = [made.network.manifest.origin for made in (found, expected)]
    assert [origin.options["device"] for origin in origins] == ["meta", "cpu"]
    plain = [origin.model_copy(update={"options": {**origin.options, "device": ""}}) for origin in origins]
    assert plain[0] == plain[1]
    assert found.network.manifest.tensors == expected.network.manifest.tensors
    assert found.network.manifest.layers == expected.network.manifest.layers
    assert found.network.arrays.keys() == expected.network.arrays.keys()
    for name, array in expected.network.arrays.items():
        assert np.array_equal(found.network.arrays[name], array), name


def assert_same_logits(found: Quantised, expected: Quantised, images: torch.Tensor) -> None:
    """All three modes see the same on the device of ``found`` and on the CPU."""
    there = images.to(DEVICE)
    for made, there_made in (
        (forward(expected.model.vit, images), forward(found.model.vit, there)),
        (PaperModel(expected.calibrated)(images), PaperModel(found.calibrated)(there)),
        (IntegerModel(expected.network)(images), IntegerModel(found.network, DEVICE)(there)),
    ):
        assert there_made.device == DEVICE
        assert torch.equal(made, there_made.cpu())


@pytest.mark.parametrize("method", METHODS)
def test_a_method_gives_the_network_of_the_cpu(method: str, model: Model, tiny_images: torch.Tensor) -> None:
    images, held_out = tiny_images[:8], tiny_images[16:20]
    reconstruction = {**LEARN, **({"attention_weight": 10.0} if method == "adfq" else {})}
    config = method_config(method, 4, {"rounds": 1, "reconstruction": reconstruction})
    expected = quantise(model, images, config, lambda _: None)
    with fake_device() as device:
        found = quantise(model, images, config, lambda _: None, device=device)
        measured = measure(found, held_out, LABELS, "blotches", lambda _mode, _done: None)
        assert_same_logits(found, expected, held_out)
    assert_same(found, expected)
    assert measured.figures == measure(expected, held_out, LABELS, "blotches", lambda _mode, _done: None).figures


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: parts["channel_rule"])
def test_other_parts_give_the_network_of_the_cpu(
    parts: dict[str, Any], model: Model, tiny_images: torch.Tensor
) -> None:
    config = method_config("minmax", 4, {"rounds": 1, **parts})
    expected = quantise(model, tiny_images[:8], config, lambda _: None)
    with fake_device() as device:
        found = quantise(model, tiny_images[:8], config, lambda _: None, device=device)
        assert_same_logits(found, expected, tiny_images[16:18])
    assert_same(found, expected)


@pytest.mark.parametrize("method", ["tsptq", "adfq"])
def test_a_swin_gives_the_network_of_the_cpu(method: str) -> None:
    model, images = tiny_swin_model(), tiny_swin_images(6)
    reconstruction = {**LEARN, "images": 4, "batch": 2} if method == "adfq" else None
    config = method_config(method, 4, {"rounds": 1, "sampled_rows": 64, "reconstruction": reconstruction})
    expected = quantise(model, images[:4], config, lambda _: None)
    with fake_device() as device:
        found = quantise(model, images[:4], config, lambda _: None, device=device)
        assert_same_logits(found, expected, images[4:])
    assert_same(found, expected)


def test_a_reconstruction_goes_on_from_its_files(model: Model, tiny_images: torch.Tensor, tmp_path: Path) -> None:
    config = method_config("minmax", 4, {"reconstruction": {**LEARN, "loss": "mse", "judging_share": 0}})
    learnt = Reconstruction(images=tiny_images[:8], checkpoint=tmp_path)
    made: list[Quantised] = []
    reports: list[str] = []
    for _ in range(2):
        with fake_device() as device:
            made.append(quantise(model, tiny_images[:8], config, reports.append, None, learnt, device))
    assert len(list(tmp_path.iterdir())) == 2
    assert not any("starts anew" in report for report in reports)
    quantise(model, tiny_images[:8], config, reports.append, None, learnt)
    assert sum("starts anew" in report for report in reports) == 2  # a GPU's modules are not the CPU's
    for name, array in made[0].network.arrays.items():
        assert np.array_equal(made[1].network.arrays[name], array), name


def test_crops_do_not_depend_on_the_device(tiny_images: torch.Tensor) -> None:
    expected = enough_images(tiny_images[:3], 7, 1)
    with fake_device() as device:
        found = enough_images(tiny_images[:3].to(device), 7, 1)
        assert found.device == DEVICE
        assert torch.equal(found.cpu(), expected)


# The command line's two flows


@pytest.fixture
def options(tiny_model: Model, tiny_images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``hwsim quantize`` of the tiny network on the fake device."""
    monkeypatch.setattr("golden.from_timm.load_model", lambda *_: tiny_model)
    monkeypatch.setattr("golden.device.find_device", lambda name: DEVICE if name == "cuda" else torch.device(name))
    np.savez(tmp_path / "i.npz", images=tiny_images[:6].numpy(), labels=np.arange(6))
    return QuantizeOptions(
        model="tiny", calib=tmp_path / "i.npz", data=tmp_path / "i.npz", images=4, method="minmax",
        parts={"reconstruction": LEARN}, out=tmp_path / "cpu",
    )  # fmt: skip


def test_the_flow_works_on_the_device(options: QuantizeOptions, tmp_path: Path) -> None:
    expected = quantize(options, Console(quiet=True))
    with fake_device():
        found = quantize(replace(options, device="cuda", out=tmp_path / "cuda"), Console(quiet=True))
    assert found.measured.figures == expected.measured.figures
    networks = [load_network(tmp_path / name) for name in ("cpu", "cuda")]
    assert [network.manifest.origin.options["device"] for network in networks] == ["cpu", "meta"]
    for name, array in networks[0].arrays.items():
        assert np.array_equal(networks[1].arrays[name], array), name


def test_too_little_memory_is_one_sentence(options: QuantizeOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("golden.pipeline.quantise", full)
    with pytest.raises(HwsimError, match=r"^--device cuda: has too little memory"):
        quantize(replace(options, device="cuda"), Console(quiet=True))


def test_a_cell_knows_its_device_and_so_does_its_key(tmp_path: Path) -> None:
    options = CompareOptions(methods=("minmax",), bits=("8",), images=4, calib_images=2)
    names = ("cpu", "cuda", "cuda:1")
    planned = [plan(replace(options, device=name), Store(tmp_path))[0] for name in names]
    assert len({one.key for one in planned}) == 3
    assert tuple(one.cell.device for one in planned) == names


# Names of devices


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:-1", "cuda:x", "CUDA", "cpu:0", "mps", "cuda:0 "])
def test_names_that_are_no_device(name: str) -> None:
    with pytest.raises(HwsimError, match=f"^--device must be cpu, cuda or cuda:N, not {name!r}$"):
        find_device(name)


def test_cuda_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:1"):
        with pytest.raises(HwsimError, match=f"^--device {name}: PyTorch .* finds no CUDA device .expected an NVIDIA"):
            find_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "zeros", lambda *_, device: torch.ones(1))
    assert [find_device(name).index for name in ("cuda", "cuda:0", "cuda:1")] == [None, 0, 1]
    with pytest.raises(HwsimError, match=r"^--device cuda:2: is not here \(expected cuda:0 to cuda:1, or cpu\)$"):
        find_device("cuda:2")

    def broken(*_: Any, device: torch.device) -> torch.Tensor:
        raise RuntimeError(f"no kernel image for {device}\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch, "zeros", broken)
    with pytest.raises(HwsimError, match=r"^--device cuda:1: cannot be used: no kernel image for cuda:1$"):
        find_device("cuda:1")


def test_the_record_names_the_model_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"model {device.index}")
    assert describe(torch.device("cuda:1")) == "cuda (model 1)"
    assert describe(CPU) == "cpu"


@pytest.mark.parametrize(
    "arguments",
    [("quantize", "--model", "fashion_mnist_vit", "--calib", "fashion_mnist", "--out", "net"), ("compare",)],
)
def test_the_command_line_refuses_a_device_in_one_sentence(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name, sentence in (("tpu", "must be cpu, cuda or cuda:N, not 'tpu'"), ("cuda:1", "finds no CUDA device")):
        monkeypatch.setattr("sys.argv", ["hwsim", *arguments, "--device", name])
        with pytest.raises(SystemExit) as end:
            cli.main()
        error = capsys.readouterr().err.strip()
        assert end.value.code == 2
        assert sentence in " ".join(error.split())
        assert "Traceback" not in error


# The fake device refuses what CUDA refuses


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda cuda, cpu: cuda + cpu, "same device"),
        (lambda cuda, cpu: torch.cat([cuda, cpu]), "same device"),
        (lambda cuda, cpu: torch.stack([cuda[0], cpu[0]]), "same device"),
        (lambda cuda, cpu: torch.where(cpu > 0, cuda, cuda), "same device"),
        (torch.bucketize, "same device"),
        (lambda cuda, cpu: torch.addcmul(cuda, cuda, cpu[0]), "same device"),
        (lambda cuda, cpu: cpu[cuda.long()], "same device"),
        (lambda cuda, cpu: cuda.index_select(0, cpu.long()), "same device"),
        (lambda cuda, cpu: cuda.__setitem__(slice(0, 2), cpu[:2] + cuda[:2]), "same device"),
        (lambda cuda, cpu: cuda.index_put_((cpu.long(),), cpu), "same device"),
        (lambda cuda, cpu: cpu.add_(cuda), "same device"),
        (lambda cuda, cpu: cpu[0].add_(cuda[0]), "same device"),
        (lambda cuda, cpu: cuda @ cpu, "same device"),
        (lambda cuda, cpu: cuda[None].long() @ cuda[:, None].long(), "not implemented for torch.int64"),
        (lambda cuda, cpu: cuda.numpy(), "can't convert cuda:0 device type tensor to numpy"),
        (lambda cuda, cpu: torch.rand(2, generator=torch.Generator(), device=DEVICE), "generator"),
        (lambda cuda, cpu: torch.rand(2, generator=torch.Generator(DEVICE)), "generator"),
    ],
)
def test_the_fake_device_refuses(refused: Callable[[torch.Tensor, torch.Tensor], Any], sentence: str) -> None:
    values = torch.tensor([1.0, 2.0, 0.0])
    with fake_device() as device, pytest.raises((RuntimeError, TypeError, NotImplementedError), match=sentence):
        refused(values.to(device), values)


@pytest.mark.parametrize(
    "allowed",
    [
        lambda cuda, cpu: cuda * cpu[1],
        lambda cuda, cpu: cuda[cpu.long()],
        lambda cuda, cpu: cuda[cpu > 0],
        lambda cuda, cpu: torch.where(cuda > 0, cuda, cpu[0]),
        lambda cuda, cpu: cuda.clone().copy_(cpu),
        lambda cuda, cpu: torch.tensor([1, 2], device=DEVICE),
        lambda cuda, cpu: torch.rand(2, generator=torch.Generator(DEVICE), device=DEVICE),
    ],
)
def test_the_fake_device_allows(allowed: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
    values = torch.tensor([1.0, 2.0, 0.0])
    with fake_device() as device:
        assert allowed(values.to(device), values).device == DEVICE
