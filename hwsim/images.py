"""Images as input codes: uint8 pixels, resized and cropped by Pillow as timm's evaluation transform does.

Three sources: an ``.npz`` file of codes, a folder with class folders, and a folder (or one file) of images whose
names begin with the class index, as in ``0008_hen.JPEG``. Images without a class are welcome; then there is no top-1.
Files are decoded when their codes are asked for, so that a folder of any size fits in memory.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hwsim.errors import HwsimError
from hwsim.network import Preprocess

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_NPZ_ERRORS = (OSError, ValueError, EOFError, TypeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
_IMAGE_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Input codes of some images and what is known about them."""

    pixels: NDArray[np.uint8]
    """uint8[n, H, W] for mode L, uint8[n, H, W, 3] for RGB"""
    labels: NDArray[np.int64] | None
    """int64[n], the right class of each image"""
    top1_float: NDArray[np.int64] | None
    """int64[n], the class that the float model gave each image"""
    source: str
    """The path they were read from."""

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Images that are decoded when they are asked for, and what is known about them."""

    items: Sequence[Path] | NDArray[np.uint8]
    """Image files, or the codes themselves where an ``.npz`` file held them."""
    preprocess: Preprocess
    labels: NDArray[np.int64] | None
    """int64[n], the right class of each image"""
    top1_float: NDArray[np.int64] | None
    """int64[n], the class that the float model gave each image"""
    source: str
    """The path they are read from."""

    def __len__(self) -> int:
        return len(self.items)

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Codes of some images, uint8[n, H, W] for mode L, uint8[n, H, W, 3] for RGB; at least one index."""
        if isinstance(self.items, np.ndarray):
            return self.items[list(indices)]
        return np.stack([read_image(self.items[index], self.preprocess) for index in indices])

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Codes of all images in their order, ``size`` at a time and the rest at the end."""
        for start in range(0, len(self), size):
            yield self.read(range(start, min(start + size, len(self))))

    def check_headers(self) -> None:
        """Raise HwsimError for the first file that is no image, before hours of work meet it; decodes nothing."""
        for file in [] if isinstance(self.items, np.ndarray) else self.items:
            _open(file).close()


def load_images(
    path: str | Path, preprocess: Preprocess, classes: Sequence[str], *, count_max: int | None = None, model: str = ""
) -> ImageSet:
    """Read images as input codes, all at once; parameters and errors as of ``open_images``."""
    images = open_images(path, preprocess, classes, count_max=count_max, model=model)
    return ImageSet(
        pixels=images.read(range(len(images))),
        labels=images.labels,
        top1_float=images.top1_float,
        source=images.source,
    )


def open_images(
    path: str | Path,
    preprocess: Preprocess,
    classes: Sequence[str],
    *,
    count_max: int | None = None,
    labelled: bool = True,
    model: str = "",
) -> ImageSource:
    """Find images and their classes; the files are decoded later.

    Parameters
    ----------
    path : an ``.npz`` file, an image, or a folder of images
    preprocess : size, crop and mode that the network wants
    classes : names of the network's classes, in the order of its logits
    count_max : take this many at most; class folders take turns, so that few images still cover many classes
    labelled : whether the classes matter; without them folders may have any names
    model : float model whose classes ``top1_float_<model>`` of an ``.npz`` file are wanted before ``top1_float``

    Raises
    ------
    HwsimError
        If there is nothing at the path, a file is damaged, or a shape, type or label does not fit the network.
    """
    path = Path(path)
    if path.is_dir():
        images = _from_files(path, _files_in(path), preprocess, classes if labelled else None, count_max)
    elif not path.exists():
        raise HwsimError(f"{path}: no such file or folder (expected an .npz file or a folder of images)")
    elif path.suffix.lower() == ".npz":
        images = _from_npz(path, preprocess, count_max, f"top1_float_{model}")
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        images = _from_files(path.parent, [path], preprocess, classes if labelled else None, count_max)
    else:
        raise HwsimError(f"{path}: expected an .npz file, an image or a folder of images, not {path.suffix!r}")
    if not labelled:
        return replace(images, labels=None, top1_float=None)
    _check_classes(images.labels, "labels", len(classes), path)
    _check_classes(images.top1_float, "top1_float", len(classes), path)
    return images


def read_image(path: Path, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Read one image file as uint8[size, size] (mode L) or uint8[size, size, 3] (RGB)."""
    with _open(path) as image:
        try:
            converted = image.convert(preprocess.mode)
        except _IMAGE_ERRORS as error:
            raise _unreadable(path, error) from error
    return np.asarray(centre_crop(resize_short_side(converted, preprocess), preprocess.size))


def _open(path: Path) -> Image.Image:
    """The image with its header read, its pixels not yet."""
    try:
        return Image.open(path)
    except _IMAGE_ERRORS as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> HwsimError:
    return HwsimError(f"{path}: not a readable image: {' '.join(str(error).split())}")


def resize_short_side(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Resize so that the short side is ``preprocess.resize`` pixels; the long side is cut to a whole pixel."""
    short = min(image.size)
    if short == preprocess.resize:
        return image
    width, height = (preprocess.resize if side == short else preprocess.resize * side // short for side in image.size)
    return image.resize((width, height), _RESAMPLING[preprocess.interpolation])


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """Cut the square in the middle; an odd rest is halved to the nearest even pixel, as torchvision does."""
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))


def _files_in(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise HwsimError(f"{folder}: no images here (expected files ending in {', '.join(IMAGE_SUFFIXES)})")
    return files


def _from_files(
    folder: Path, files: list[Path], preprocess: Preprocess, classes: Sequence[str] | None, count_max: int | None
) -> ImageSource:
    """Files in class folders or with the class in their names; without classes their names and folders say nothing."""
    groups = [file.relative_to(folder).parts[0] for file in files if file.parent != folder]
    in_folders = len(groups) == len(files)
    if groups and not in_folders and classes is not None:
        stray = next(file for file in files if file.parent == folder)
        raise HwsimError(f"{stray}: lies beside class folders (expected every image in a class folder, or none)")
    files = (_take_turns(files, groups) if in_folders else files)[:count_max]
    labels: list[int] | None = None
    if classes is not None and in_folders:
        index = _index_of_folders(folder, sorted(set(groups)), classes)
        labels = [index[file.relative_to(folder).parts[0]] for file in files]
    elif classes is not None:
        labels = _labels_of_names(files)
    return ImageSource(
        items=files,
        preprocess=preprocess,
        labels=np.array(labels, np.int64) if labels else None,
        top1_float=None,
        source=str(files[0] if len(files) == 1 else folder),
    )


def _take_turns(files: list[Path], groups: list[str]) -> list[Path]:
    """First file of each group, then the second of each, and so on."""
    by_group: dict[str, list[Path]] = {}
    for file, group in zip(files, groups, strict=True):
        by_group.setdefault(group, []).append(file)
    rounds = zip_longest(*by_group.values())
    return [file for one_round in rounds for file in one_round if file is not None]


def _index_of_folders(folder: Path, names: list[str], classes: Sequence[str]) -> dict[str, int]:
    """Class of each class folder: its number, else its class name, else its place in the sorted names."""
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}
    if all(name in classes for name in names):
        return {name: classes.index(name) for name in names}
    if len(names) == len(classes):
        return {name: index for index, name in enumerate(names)}
    raise HwsimError(
        f"{folder}: {len(names)} class folders, but the network has {len(classes)} classes "
        f"(expected one folder a class, or folders named by class index or class name, not {names[0]!r})"
    )


def _labels_of_names(files: list[Path]) -> list[int] | None:
    """Digits before the first underscore of each name; None if no name has them."""
    matches = [re.match(r"(\d+)_", file.name) for file in files]
    if not any(matches):
        return None
    for file, match in zip(files, matches, strict=True):
        if match is None:
            raise HwsimError(f"{file}: has no class (expected a name such as 0008_{file.name}, as the other images)")
    return [int(match[1]) for match in matches if match]


def _from_npz(path: Path, preprocess: Preprocess, count_max: int | None, float_name: str) -> ImageSource:
    arrays = _read_npz(path, ("images", "labels", "top1_float", float_name))
    if "images" not in arrays:
        raise HwsimError(f"{path}: images is missing (expected uint8 images, found {', '.join(arrays) or 'nothing'})")
    pixels = arrays["images"]
    size = preprocess.size
    expected = (size, size) if preprocess.mode == "L" else (size, size, 3)
    if pixels.dtype != np.uint8:
        raise HwsimError(f"{path}: images must be uint8, not {pixels.dtype}")
    if preprocess.mode == "L" and pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if pixels.shape[1:] != expected:
        wanted = ", ".join(str(side) for side in expected)
        raise HwsimError(f"{path}: images must be [n, {wanted}] for this network, not {list(pixels.shape)}")
    if not len(pixels):
        raise HwsimError(f"{path}: images is empty (expected at least one image)")
    float_name = float_name if float_name in arrays else "top1_float"
    return ImageSource(
        items=pixels[:count_max],
        preprocess=preprocess,
        labels=_class_array(arrays, "labels", len(pixels), path, count_max),
        top1_float=_class_array(arrays, float_name, len(pixels), path, count_max),
        source=str(path),
    )


def _read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file) as archive:
            return {name: archive[name] for name in archive.files if name in names}
    except _NPZ_ERRORS as error:
        raise HwsimError(f"{path}: not a readable .npz file (truncated?): {' '.join(str(error).split())}") from error


def _class_array(
    arrays: dict[str, NDArray[Any]], name: str, count: int, path: Path, count_max: int | None
) -> NDArray[np.int64] | None:
    if name not in arrays:
        return None
    array = arrays[name]
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise HwsimError(f"{path}: {name} must be {count} integers, not {array.dtype} {list(array.shape)}")
    return array[:count_max].astype(np.int64)


def _check_classes(values: NDArray[np.int64] | None, name: str, class_count: int, path: Path) -> None:
    if values is None:
        return
    wrong = values[(values < 0) | (values >= class_count)]
    if len(wrong):
        raise HwsimError(f"{path}: {name} must be 0 to {class_count - 1} for this network, not {wrong[0]}")
