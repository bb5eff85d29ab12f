"""Images become the codes that timm's transform gives, and every mistake is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hwsim.errors import HwsimError
from hwsim.images import load_images, open_images, read_image
from hwsim.network import Preprocess

GREY = Preprocess(mode="L", size=28, resize=28, interpolation="bicubic")
DEIT = Preprocess(mode="RGB", size=224, resize=248, interpolation="bicubic")
SMALL = Preprocess(mode="RGB", size=8, resize=9, interpolation="bilinear")
TEN = [f"class {i}" for i in range(10)]


def random_image(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(noise, mode)


def save(path: Path, image: Image.Image | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or random_image(12, 10)).save(path)
    return path


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
@pytest.mark.parametrize(
    ("height", "width"), [(300, 401), (401, 300), (248, 248), (248, 251), (113, 500), (225, 224), (375, 500)]
)
def test_same_codes_as_timm(tmp_path: Path, height: int, width: int, interpolation: str) -> None:
    from timm.data import create_transform

    path = save(tmp_path / "image.png", random_image(height, width))
    preprocess = DEIT.model_copy(update={"interpolation": interpolation})
    timm_steps = create_transform((3, 224, 224), interpolation=interpolation, crop_pct=0.9, is_training=False)
    resize, crop = timm_steps.transforms[:2]
    expected = np.asarray(crop(resize(Image.open(path).convert("RGB"))))
    assert np.array_equal(read_image(path, preprocess), expected)


def test_an_image_of_the_right_size_is_its_own_codes(tmp_path: Path) -> None:
    image = random_image(28, 28, "L")
    assert np.array_equal(read_image(save(tmp_path / "a.png", image), GREY), np.asarray(image))


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB"])
def test_other_modes_are_converted(tmp_path: Path, mode: str) -> None:
    image = random_image(9, 13, mode)
    assert read_image(save(tmp_path / "a.png", image), SMALL).shape == (8, 8, 3)


def test_names_carry_the_class(tmp_path: Path) -> None:
    for name in ("0003_b.png", "0001_a.jpeg", "0003_c.JPEG"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    images = load_images(tmp_path, SMALL, TEN)
    assert images.pixels.shape == (3, 8, 8, 3)
    assert images.labels is not None
    assert images.labels.tolist() == [1, 3, 3]


def test_names_without_class_give_no_labels(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert load_images(tmp_path, SMALL, TEN).labels is None
    assert len(load_images(tmp_path / "a.png", SMALL, TEN)) == 1


@pytest.mark.parametrize(
    ("folders", "classes", "expected"),
    [
        (["7", "02"], TEN, [2, 7]),
        (["shirt", "bag"], ["shirt", "shoe", "bag"], [2, 0]),
        (["n02", "n01"], ["hen", "cock"], [0, 1]),
    ],
)
def test_class_folders(tmp_path: Path, folders: list[str], classes: list[str], expected: list[int]) -> None:
    for folder in folders:
        save(tmp_path / folder / "a.png")
    labels = load_images(tmp_path, SMALL, classes).labels
    assert labels is not None
    assert labels.tolist() == expected


def test_class_folders_take_turns(tmp_path: Path) -> None:
    for name in ("0/a", "0/b", "0/c", "1/a", "2/a", "2/b"):
        save(tmp_path / f"{name}.png")
    labels = load_images(tmp_path, SMALL, TEN, count_max=5).labels
    assert labels is not None
    assert labels.tolist() == [0, 1, 2, 0, 2]


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_batches_are_all_images_in_their_order(tmp_path: Path, size: int) -> None:
    for index in range(5):
        save(tmp_path / f"{index}_a.png", random_image(12, 10, seed=index))
    images = open_images(tmp_path, SMALL, TEN)
    batches = list(images.batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    whole = load_images(tmp_path, SMALL, TEN)
    assert np.array_equal(np.concatenate(batches), whole.pixels)
    assert np.array_equal(images.read([3, 1]), whole.pixels[[3, 1]])
    assert images.labels is not None
    assert len(images) == len(images.labels) == 5


def test_a_large_folder_is_decoded_as_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(6):
        save(tmp_path / f"{index}_a.png")
    decoded: list[str] = []
    monkeypatch.setattr("hwsim.images.read_image", lambda path, p: decoded.append(path.name) or read_image(path, p))
    images = open_images(tmp_path, SMALL, TEN)
    images.check_headers()
    assert decoded == []
    next(images.batches(2))
    assert decoded == ["0_a.png", "1_a.png"]


def test_headers_are_checked_without_decoding(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("this is text")
    images = open_images(tmp_path, SMALL, TEN)
    with pytest.raises(HwsimError, match=r"b\.png: not a readable image"):
        images.check_headers()
    assert len(images.read([0])) == 1


@pytest.mark.parametrize(
    "names",
    [
        ["n01440764/a", "n01443537/a"],
        ["a", "n01440764/a"],
        ["0001_a", "b"],
        ["2023_holiday"],
    ],
)
def test_without_labels_names_do_not_matter(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        save(tmp_path / f"{name}.png")
    images = open_images(tmp_path, SMALL, TEN, labelled=False)
    assert images.labels is None
    assert images.read(range(len(names))).shape == (len(names), 8, 8, 3)
    with pytest.raises(HwsimError):
        open_images(tmp_path, SMALL, TEN)


def test_without_labels_those_of_an_npz_do_not_matter(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=GOOD, labels=np.array([0, 10]))
    images = open_images(tmp_path / "a.npz", GREY, TEN, labelled=False)
    assert images.labels is None
    assert np.array_equal(next(images.batches(9)), GOOD)


def test_npz(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.arange(5, dtype=np.uint8), top1_float=np.zeros(5, np.int64))
    images = load_images(tmp_path / "a.npz", GREY, TEN, count_max=4)
    assert np.array_equal(images.pixels, pixels[:4])
    assert images.labels is not None
    assert images.top1_float is not None
    assert images.labels.tolist() == [0, 1, 2, 3]
    assert images.top1_float.tolist() == [0] * 4


def test_float_classes_of_a_model_come_before_those_of_any(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=GOOD, top1_float=np.array([1, 2]), top1_float_swin=np.array([3, 4]))
    found = {model: open_images(tmp_path / "a.npz", GREY, TEN, model=model).top1_float for model in ("swin", "vit", "")}
    assert {model: classes.tolist() for model, classes in found.items() if classes is not None} == {
        "swin": [3, 4], "vit": [1, 2], "": [1, 2],
    }  # fmt: skip


GOOD = np.zeros((2, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"images": GOOD.astype(np.float32)}, "images must be uint8, not float32"),
        ({"images": np.zeros((2, 32, 32), np.uint8)}, "images must be [n, 28, 28] for this network, not [2, 32, 32]"),
        ({"images": np.zeros((2, 28, 28, 3), np.uint8)}, "not [2, 28, 28, 3]"),
        ({"images": np.zeros((0, 28, 28), np.uint8)}, "images is empty"),
        ({"pictures": GOOD}, "images is missing"),
        ({"images": GOOD, "labels": np.zeros(3, int)}, "labels must be 2 integers, not int64 [3]"),
        ({"images": GOOD, "labels": np.zeros(2)}, "labels must be 2 integers, not float64 [2]"),
        ({"images": GOOD, "labels": np.array([0, 10])}, "labels must be 0 to 9 for this network, not 10"),
        ({"images": GOOD, "top1_float": np.array([0, -1])}, "top1_float must be 0 to 9 for this network, not -1"),
    ],
)
def test_npz_mistakes(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    assert sentence in mistake(path, GREY)


def truncated_npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", images=GOOD)
    (folder / "a.npz").write_bytes((folder / "a.npz").read_bytes()[:500])
    return folder / "a.npz"


def damaged_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", images=np.random.default_rng(0).integers(0, 9, (9, 28, 28), np.uint8))
    data = bytearray((folder / "a.npz").read_bytes())
    data[200:260] = bytes(60)
    (folder / "a.npz").write_bytes(bytes(data))
    return folder / "a.npz"


def text_as(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text("this is text")
        return folder / name

    return write


def truncated_image(folder: Path) -> Path:
    path = save(folder / "0001_a.jpg", random_image(60, 60))
    path.write_bytes(path.read_bytes()[:900])
    return folder


def stray_image(folder: Path) -> Path:
    save(folder / "1" / "a.png")
    save(folder / "b.png")
    return folder


def one_without_class(folder: Path) -> Path:
    save(folder / "0001_a.png")
    save(folder / "b.png")
    return folder


def too_few_class_folders(folder: Path) -> Path:
    save(folder / "n01440764" / "a.png")
    return folder


def class_out_of_range(folder: Path) -> Path:
    save(folder / "2023_holiday.png")
    return folder


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: folder / "nowhere", "no such file or folder"),
        (lambda folder: folder, "no images here"),
        (text_as("a.txt"), "expected an .npz file, an image or a folder of images, not '.txt'"),
        (text_as("a.png"), "not a readable image"),
        (text_as("a.npz"), "not a readable .npz file"),
        (truncated_npz, "not a readable .npz file"),
        (damaged_npz, "not a readable .npz file"),
        (truncated_image, "not a readable image"),
        (stray_image, "lies beside class folders"),
        (one_without_class, "b.png: has no class"),
        (too_few_class_folders, "1 class folders, but the network has 10 classes"),
        (class_out_of_range, "labels must be 0 to 9 for this network, not 2023"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, make: Callable[[Path], Path], sentence: str) -> None:
    assert sentence in mistake(make(tmp_path), SMALL)


def mistake(path: Path, preprocess: Preprocess) -> str:
    with pytest.raises(HwsimError) as caught:
        load_images(path, preprocess, TEN)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text
