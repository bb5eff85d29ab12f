"""Train the shipped vision transformer on Fashion-MNIST.

A timm ``VisionTransformer`` for 28x28 grey images: patch 4 (49 patches and a class token). AdamW,
one-cycle learning rate, flips and 2-pixel shifts, label smoothing. The first epochs drop half of
the patches (timm's ``PatchDropout``), which halves their cost and regularises; the last epochs see
every patch. What ships is the last epoch: nothing is chosen on the test images.

The run resumes from ``<out>.checkpoint`` after an interruption; its log goes to ``<out>.log.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from golden.data import FASHION_MNIST_MEAN, FASHION_MNIST_STD, fashion_mnist

MAX_SHIFT_PIXELS = 2


def build_model(width: int, depth: int, heads: int, mlp_ratio: float, patch_drop: float = 0.0) -> VisionTransformer:
    """Build an untrained timm network for 28x28 grey images and 10 classes."""
    return VisionTransformer(
        img_size=28,
        patch_size=4,
        in_chans=1,
        num_classes=10,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        mlp_ratio=mlp_ratio,
        patch_drop_rate=patch_drop,  # at 0 timm leaves the module out, and its rate could not be set later
    )


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flip each image with probability one half and shift it by up to 2 pixels.

    images : float32[batch, 1, 28, 28], zero outside the image
    """
    batch, _, height, width = images.shape
    flip = torch.rand(batch, generator=generator) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    padded = nn.functional.pad(images, [MAX_SHIFT_PIXELS] * 4)
    offset = torch.randint(0, 2 * MAX_SHIFT_PIXELS + 1, (2, batch, 1), generator=generator)
    rows = offset[0] + torch.arange(height)
    columns = offset[1] + torch.arange(width)
    return padded[torch.arange(batch)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


@torch.inference_mode()
def accuracy_percent(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy in percent; images : uint8[n, 28, 28], labels : int64[n]."""
    model.eval()
    hits = 0
    for i in range(0, len(images), 500):
        x = (images[i : i + 500, None].float() / 255 - FASHION_MNIST_MEAN) / FASHION_MNIST_STD
        hits += int((model(x).argmax(1) == labels[i : i + 500]).sum())
    return 100.0 * hits / len(images)


@dataclass
class _Run:
    """What a training run carries from epoch to epoch, and its checkpoint holds."""

    model: VisionTransformer
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    generator: torch.Generator
    epoch: int = 0

    def save(self, path: Path) -> None:
        """Write beside, then rename."""
        beside = path.with_suffix(".partial")
        states = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "schedule")}
        rng = {"generator": self.generator.get_state(), "rng": torch.get_rng_state()}
        torch.save({**states, **rng, "epoch": self.epoch}, beside)
        beside.replace(path)

    def load(self, path: Path) -> None:
        """Go on where a checkpoint ended."""
        state = torch.load(path, weights_only=True)
        for name in ("model", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["rng"])
        self.epoch = state["epoch"]


def _new_run(args: argparse.Namespace, steps: int) -> _Run:
    torch.manual_seed(args.seed)
    model = build_model(args.width, args.depth, args.heads, args.mlp_ratio, args.patch_drop)
    decay = [p for p in model.parameters() if p.ndim > 1]
    no_decay = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": args.weight_decay}, {"params": no_decay, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(args.seed)
    return _Run(model=model, optimizer=optimizer, schedule=schedule, generator=generator)


def _train_epoch(run: _Run, images: Tensor, labels: Tensor, args: argparse.Namespace) -> float:
    """One pass over the training images; returns the mean loss."""
    run.model.train()
    run.model.patch_drop.prob = args.patch_drop if run.epoch < args.epochs - args.full_epochs else 0.0
    loss_fn = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    order = torch.randperm(len(images), generator=run.generator)
    steps: int = len(images) // args.batch
    total = 0.0
    for step in range(steps):
        index = order[step * args.batch : (step + 1) * args.batch]
        x = augment(images[index, None].float() / 255, run.generator)
        loss = loss_fn(run.model((x - FASHION_MNIST_MEAN) / FASHION_MNIST_STD), labels[index])
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimizer.step()
        run.schedule.step()
        total += float(loss.detach())
    run.epoch += 1
    return total / steps


def train(args: argparse.Namespace) -> float:
    """Run the training (or resume it) and write the weights; returns the test accuracy in percent."""
    images, labels = fashion_mnist("train")
    test_images, test_labels = fashion_mnist("test")
    run = _new_run(args, len(images) // args.batch)
    checkpoint, log = Path(f"{args.out}.checkpoint"), Path(f"{args.out}.log.jsonl")
    if checkpoint.exists():
        run.load(checkpoint)
    else:
        config = {k: v if not isinstance(v, Path) else v.name for k, v in vars(args).items()}
        log.write_text(json.dumps({"config": config, "torch": torch.__version__}) + "\n")
    top1 = accuracy_percent(run.model, test_images, test_labels)
    while run.epoch < args.epochs:
        started = time.time()
        loss = _train_epoch(run, images, labels, args)
        top1 = accuracy_percent(run.model, test_images, test_labels)
        seconds = round(time.time() - started, 1)
        row = {"epoch": run.epoch, "loss": round(loss, 4), "test_top1": round(top1, 2), "seconds": seconds}
        with log.open("a") as f:
            f.write(json.dumps(row) + "\n")
        print(row, flush=True)
        run.save(checkpoint)
    metadata = {"seed": str(args.seed), "heads": str(args.heads), "test_top1": f"{top1:.2f}"}
    save_file({k: v.contiguous() for k, v in run.model.state_dict().items()}, args.out, metadata)
    checkpoint.unlink(missing_ok=True)
    return top1


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/train/weights.safetensors"), help="weights file")
    parser.add_argument("--epochs", type=int, default=48)
    parser.add_argument("--full-epochs", type=int, default=20, help="last epochs, in which no patch is dropped")
    parser.add_argument("--patch-drop", type=float, default=0.5, help="share of patches dropped before them")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--heads", type=int, default=3)
    parser.add_argument("--mlp-ratio", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"test top-1 {train(args):.2f} % -> {args.out.name}")


if __name__ == "__main__":
    main()
