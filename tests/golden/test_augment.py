"""More images from a few: as many as asked for, the given ones first, the same for a seed."""

from __future__ import annotations

import torch

from golden.augment import enough_images


def test_enough_images_are_the_first_ones(tiny_images: torch.Tensor) -> None:
    assert torch.equal(enough_images(tiny_images, 5, seed=0), tiny_images[:5])


def test_crops_stand_in_for_what_is_missing(tiny_images: torch.Tensor) -> None:
    few = tiny_images[:3]
    more = enough_images(few, 10, seed=1)
    assert more.shape == (10, *few.shape[1:])
    assert more.dtype == torch.uint8
    assert torch.equal(more[:3], few)
    assert torch.equal(more, enough_images(few, 10, seed=1))
    assert not torch.equal(more, enough_images(few, 10, seed=2))
    assert len({bytes(image.numpy()) for image in more}) == 10


def test_a_crop_shows_its_image(tiny_images: torch.Tensor) -> None:
    flat = torch.full((1, 16, 16, 3), 200, dtype=torch.uint8)
    assert (enough_images(flat, 4, seed=0) == 200).all()
    crops = enough_images(tiny_images[:1], 30, seed=0)[1:].float()
    assert (crops.mean((1, 2, 3)) - tiny_images[0].float().mean()).abs().max() < 40
