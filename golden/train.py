"""Train a shipped network (``golden/shipped.py``) on Fashion-MNIST's 60,000 training images.

AdamW, one-cycle learning rate, flips and 2-pixel shifts, label smoothing. A recipe may drop patches in the first
epochs (timm's ``PatchDropout``). What ships is the last epoch: nothing is chosen on the test images.

The run resumes from ``<out>.checkpoint`` after an interruption; its log goes to ``<out>.log.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.layers import PatchDropout
from torch import Tensor, nn

from golden.data import FASHION_MNIST_MEAN, FASHION_MNIST_STD, fashion_mnist
from golden.shipped import FASHION_MNIST_VIT, SHIPPED, Recipe, build_model

MAX_SHIFT_PIXELS = 2


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

    model: nn.Module
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


def _new_run(name: str, recipe: Recipe, seed: int, steps: int) -> _Run:
    torch.manual_seed(seed)
    model = build_model(name, **({"patch_drop_rate": recipe.patch_drop} if recipe.patch_drop else {}))
    decay = [p for p in model.parameters() if p.ndim > 1]
    no_decay = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": no_decay, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    total = recipe.epochs * steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=total, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    return _Run(model=model, optimizer=optimizer, schedule=schedule, generator=generator)


def _train_epoch(run: _Run, images: Tensor, labels: Tensor, recipe: Recipe) -> float:
    """One pass over the training images; returns the mean loss."""
    run.model.train()
    for part in run.model.modules():
        if isinstance(part, PatchDropout):
            part.prob = recipe.patch_drop if run.epoch < recipe.epochs - recipe.full_epochs else 0.0
    loss_fn = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    order = torch.randperm(len(images), generator=run.generator)
    steps = len(images) // recipe.batch
    total = 0.0
    for step in range(steps):
        index = order[step * recipe.batch : (step + 1) * recipe.batch]
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


def train(name: str, recipe: Recipe, seed: int, out: Path) -> float:
    """Run the training (or resume it) and write the weights; returns the test accuracy in percent.

    Parameters
    ----------
    name : key of ``SHIPPED``
    recipe : how long and how
    seed : of the first weights, the order of the images and their shifts
    out : weights file
    """
    images, labels = fashion_mnist("train")
    test_images, test_labels = fashion_mnist("test")
    run = _new_run(name, recipe, seed, len(images) // recipe.batch)
    checkpoint, log = Path(f"{out}.checkpoint"), Path(f"{out}.log.jsonl")
    if checkpoint.exists():
        run.load(checkpoint)
    else:
        config = {"model": name, **SHIPPED[name].shape, **asdict(recipe), "seed": seed}
        log.write_text(json.dumps({"config": config, "torch": torch.__version__}) + "\n")
    top1 = accuracy_percent(run.model, test_images, test_labels)
    while run.epoch < recipe.epochs:
        started = time.time()
        loss = _train_epoch(run, images, labels, recipe)
        top1 = accuracy_percent(run.model, test_images, test_labels)
        seconds = round(time.time() - started, 1)
        row = {"epoch": run.epoch, "loss": round(loss, 4), "test_top1": round(top1, 2), "seconds": seconds}
        with log.open("a") as f:
            f.write(json.dumps(row) + "\n")
        print(row, flush=True)
        run.save(checkpoint)
    metadata = {"model": name, "seed": str(seed), "test_top1": f"{top1:.2f}"}
    save_file({k: v.contiguous() for k, v in run.model.state_dict().items()}, out, metadata)
    checkpoint.unlink(missing_ok=True)
    return top1


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", choices=list(SHIPPED), default=FASHION_MNIST_VIT)
    parser.add_argument("--out", type=Path, default=Path("build/train/weights.safetensors"), help="weights file")
    parser.add_argument("--epochs", type=int, help="epochs in the place of the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    recipe = SHIPPED[args.model].recipe
    if args.epochs is not None:
        recipe = replace(recipe, epochs=args.epochs)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"test top-1 {train(args.model, recipe, args.seed, args.out):.2f} % -> {args.out.name}")


if __name__ == "__main__":
    main()
