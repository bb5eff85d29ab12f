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
from typing import Any

from hwsim.compiler import compile_network
from hwsim.config import load_preset
from hwsim.flows.explore_shapes import random_pixels, shape_network
from hwsim.machine import Machine
from hwsim.network import AttentionScores, Im2col, Network, Table, load_network


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
    images = random_pixels(network, batch)
    many = best_seconds(lambda: machine.run(images), repeats) / batch
    return many, best_seconds(lambda: machine.run(images[:1]), repeats)


def measure_torch(network: Network, batch: int, repeats: int) -> tuple[float, float] | None:
    """Seconds an image of a timm VisionTransformer of these sizes, float32, in a batch and alone; None without timm."""
    try:
        import torch
        from timm.models.vision_transformer import VisionTransformer
    except ImportError:
        return None
    model = VisionTransformer(**sizes_of(network)).eval()
    images = torch.from_numpy(random_pixels(network, batch)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        many = best_seconds(lambda: model(images), repeats) / batch
        return many, best_seconds(lambda: model(images[:1]), repeats)


def sizes_of(network: Network) -> dict[str, Any]:
    """Sizes of a vision transformer in timm's words, read off its layers."""
    layers = network.layers
    patches = next(layer for layer in layers if isinstance(layer, Im2col))
    scores = [layer for layer in layers if isinstance(layer, AttentionScores)]
    table = next(layer for layer in layers if isinstance(layer, Table))
    size, _, colours = network.tensor(network.manifest.input).shape
    channels = network.tensor(scores[0].input).shape[1] // 3
    return {
        "img_size": size,
        "patch_size": patches.patch,
        "in_chans": colours,
        "num_classes": len(network.manifest.classes),
        "embed_dim": channels,
        "depth": len(scores),
        "num_heads": scores[0].heads,
        "mlp_ratio": network.tensor(table.output).shape[1] / channels,
    }


def report(network: Network, preset: str, batch: int, repeats: int) -> None:
    """Print one network's figures."""
    program = compile_network(network, load_preset(preset))
    macs = sum(one.gemm.macs for one in program.passes if one.gemm is not None)
    print(f"{network.name}: {macs:,} MAC an image, batch {batch}")
    rows = [("machine, bit-exact", measure_machine(network, preset, batch, repeats), peak_mib())]
    in_torch = measure_torch(network, batch, repeats)
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
    for network in [shape_network("deit_tiny_patch16_224"), *(load_network(path) for path in arguments.networks)]:
        report(network, arguments.preset, arguments.batch, arguments.repeats)


if __name__ == "__main__":
    main()
