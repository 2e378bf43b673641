"""Torch data sets over the decoded cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset

from trainables.data.cache import cached_split
from trainables.data.layouts.registry import open_layout
from trainables.data.transforms import JointTransform, eval_transform, train_transform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from search_spaces.resolution import Resolution
    from trainables.config import DataConfig
    from trainables.data.cache import CachedSplit
    from trainables.data.layouts.base import SplitRole


class Sample(TypedDict):
    """One sample; a loader's default collation stacks every entry."""

    image: Tensor
    """3 x H x W, float32, ImageNet-normalized."""
    mask: Tensor
    """H x W, int64, training ids, 255 where ignored."""
    index: int
    """Position in the data set."""
    soft: NotRequired[Tensor]
    """C x h x w, float16, logits transformed with the image; valid where the mask is not 255."""


class SegmentationDataset(Dataset[Sample]):
    """The samples of one cached split, transformed.

    Random transforms depend on (seed, epoch, index) alone, not on the number of loader processes or
    the order of reading.
    """

    def __init__(
        self,
        split: CachedSplit,
        transform: JointTransform,
        class_names: tuple[str, ...],
        *,
        seed: int = 0,
        soft_labels: NDArray[np.float16] | None = None,
    ) -> None:
        """Read ``split``; ``soft_labels`` (N x C x h x w, float16) are a teacher's logits.

        Raises:
            ValueError: the soft labels have another number of samples or classes.
        """
        self.class_names = class_names
        self._split, self._transform, self._seed = split, transform, seed
        self._images, self._masks = split.images(), split.masks()
        self._soft = soft_labels
        # Shared memory, so that persistent loader processes see a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]
        expected = (len(self._images), len(class_names))
        if soft_labels is not None and (soft_labels.ndim != 4 or soft_labels.shape[:2] != expected):
            raise ValueError(
                f"soft labels of shape {soft_labels.shape} do not fit {expected[0]} images of "
                f"{expected[1]} classes; compute them again for this data set"
            )

    @property
    def num_classes(self) -> int:
        """Number of classes without the ignored labels."""
        return len(self.class_names)

    @property
    def class_pixels(self) -> tuple[int, ...]:
        """Pixels of each class in all masks at this resolution, by training id."""
        return self._split.label_pixels()[: self.num_classes]

    def set_epoch(self, epoch: int) -> None:
        """Use the random transforms of ``epoch`` (>= 0); call before iterating over a loader."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        """Return the sample at ``index``, transformed for the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside the {len(self)} samples")
        # Copies: a tensor over a read-only map is undefined behaviour on writes.
        image = torch.from_numpy(self._images[index].transpose(2, 0, 1).copy())
        mask = torch.from_numpy(np.array(self._masks[index]))
        soft = None if self._soft is None else torch.from_numpy(np.array(self._soft[index]))
        seed = sample_seed(self._seed, int(self._epoch), index)
        image, mask, soft = self._transform(image, mask, soft, seed=seed)
        sample = Sample(image=image, mask=mask, index=index)
        if soft is not None:
            sample["soft"] = soft
        return sample

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the untransformed image at ``index``, H x W x 3, RGB."""
        return np.array(self._images[index])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the memory maps, which pickle copies in full."""
        state = self.__dict__.copy()
        del state["_images"], state["_masks"]
        if isinstance(self._soft, np.memmap):
            state["_soft"] = Path(str(self._soft.filename))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the memory maps again."""
        self.__dict__.update(state)
        self._images, self._masks = self._split.images(), self._split.masks()
        soft = state["_soft"]
        self._soft = np.load(soft, mmap_mode="r") if isinstance(soft, Path) else soft


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """Return a 63-bit seed that is unique for each (seed, epoch, index)."""
    state = np.random.SeedSequence([abs(seed), epoch, index]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def build_dataset(
    config: DataConfig,
    role: SplitRole,
    resolution: Resolution,
    cache_dir: str | Path,
    *,
    mask_resolution: Resolution | None = None,
) -> SegmentationDataset:
    """Return one split at ``resolution``, normalized and without random transforms.

    ``mask_resolution`` is the resolution of the masks; None: ``resolution``.

    Raises:
        DataError: the data set cannot be used.
        CacheError: the cache folder cannot hold it.
    """
    layout = open_layout(config, cache_dir)
    split = cached_split(layout, role, resolution, cache_dir, mask_resolution=mask_resolution)
    return SegmentationDataset(split, eval_transform(), layout.class_names)


def build_datasets(
    config: DataConfig,
    resolution: Resolution,
    cache_dir: str | Path,
    *,
    augmentation: float = 0.0,
    vertical_flips: bool = False,
    seed: int = 0,
    soft_labels: NDArray[np.float16] | None = None,
    mask_resolution: Resolution | None = None,
) -> tuple[SegmentationDataset, SegmentationDataset]:
    """Return the training and the validation data set at ``resolution``.

    Args:
        config: The data set.
        resolution: Height and width of the images.
        cache_dir: Folder of the decoded images, which are added to it if missing.
        augmentation: Strength of the random transforms, [0, 1].
        vertical_flips: Whether the random transforms mirror images upside down too.
        seed: Seed of the random transforms.
        soft_labels: Logits of the training samples, in their order.
        mask_resolution: Resolution of the validation masks; one for all trials makes the scores of
            different resolutions comparable. None: ``resolution``.

    Raises:
        DataError: the data set cannot be used.
        CacheError: the cache folder cannot hold it.
    """
    layout = open_layout(config, cache_dir)
    train = cached_split(layout, "train", resolution, cache_dir)
    val = cached_split(layout, "val", resolution, cache_dir, mask_resolution=mask_resolution)
    names = layout.class_names
    transform = train_transform(augmentation, resolution, vertical_flips=vertical_flips)
    return (
        SegmentationDataset(train, transform, names, seed=seed, soft_labels=soft_labels),
        SegmentationDataset(val, eval_transform(), names, seed=seed),
    )
