"""Speed of the machine in multiply-accumulates a second, beside PyTorch float32 of the same shape in one process.

``python -m benchmarks.machine_speed`` measures a DeiT-Tiny-shaped network with random weights (the machine's speed
does not depend on their values), and each network folder that is given. PyTorch and timm are optional.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwsim.compiler import compile_network
from hwsim.config import load_preset
from hwsim.machine import Machine
from hwsim.network import AttentionScores, Im2col, Network, Table, load_network
from tests.random_network import DEIT_TINY, Shape, random_images, vit_network


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    """Shortest wall time of a few runs, after one that compiles and warms up."""
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_machine(network: Network, preset: str, batch: int, repeats: int) -> tuple[float, float]:
    """Seconds an image in a batch and alone."""
    machine = Machine(compile_network(network, load_preset(preset)))
    images = random_images(network, batch, 0)
    many = best_seconds(lambda: machine.run(images), repeats) / batch
    return many, best_seconds(lambda: machine.run(images[:1]), repeats)


def measure_torch(shape: Shape, batch: int, repeats: int) -> tuple[float, float] | None:
    """Seconds an image of a timm VisionTransformer in float32, in a batch and alone; None without timm."""
    try:
        import torch
        from timm.models.vision_transformer import VisionTransformer
    except ImportError:
        return None
    model = VisionTransformer(
        img_size=shape.size,
        patch_size=shape.patch,
        in_chans=1 if shape.mode == "L" else 3,
        num_classes=shape.classes,
        embed_dim=shape.channels,
        depth=shape.depth,
        num_heads=shape.heads,
        mlp_ratio=shape.hidden / shape.channels,
    ).eval()
    images = torch.rand(batch, 1 if shape.mode == "L" else 3, shape.size, shape.size)
    with torch.inference_mode():
        many = best_seconds(lambda: model(images), repeats) / batch
        return many, best_seconds(lambda: model(images[:1]), repeats)


def shape_of(network: Network) -> Shape:
    """Sizes of a vision transformer, read off its layers."""
    layers, manifest = network.layers, network.manifest
    patches = next(layer for layer in layers if isinstance(layer, Im2col))
    scores = [layer for layer in layers if isinstance(layer, AttentionScores)]
    table = next(layer for layer in layers if isinstance(layer, Table))
    return Shape(
        size=manifest.preprocess.size,
        patch=patches.patch,
        mode=manifest.preprocess.mode,
        class_token=patches.class_token,
        channels=network.tensor(scores[0].input).shape[1] // 3,
        heads=scores[0].heads,
        hidden=network.tensor(table.output).shape[1],
        depth=len(scores),
        classes=len(manifest.classes),
    )


def report(network: Network, preset: str, batch: int, repeats: int) -> None:
    """Print one network's figures."""
    program = compile_network(network, load_preset(preset))
    macs = sum(one.gemm.macs for one in program.passes if one.gemm is not None)
    print(f"{network.name}: {macs:,} MAC an image, batch {batch}")
    rows = [("machine, bit-exact", measure_machine(network, preset, batch, repeats), peak_mib())]
    in_torch = measure_torch(shape_of(network), batch, repeats)
    if in_torch is not None:
        rows.append(("PyTorch float32", in_torch, peak_mib()))
    for name, (many, alone), memory in rows:
        print(
            f"  {name:20} {many * 1e3:8.1f} ms an image, {alone * 1e3:8.1f} ms alone, {macs / many / 1e9:6.1f} GMAC/s,"
            f" peak memory {memory:5.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", type=Path, help="network folders to measure besides the random one")
    parser.add_argument("--preset", default="edge")
    parser.add_argument("--batch", type=int, default=16, help="images a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs, of which the shortest counts")
    arguments = parser.parse_args()
    random = vit_network(DEIT_TINY, np.random.default_rng(0))
    renamed = random.manifest.model_copy(update={"name": "DeiT-Tiny shape, random weights"})
    for network in [Network(renamed, random.arrays), *(load_network(path) for path in arguments.networks)]:
        report(network, arguments.preset, arguments.batch, arguments.repeats)


if __name__ == "__main__":
    main()
