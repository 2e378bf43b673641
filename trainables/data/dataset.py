"""Torch data sets over the decoded cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from trainables.data.cache import cached_split
from trainables.data.layouts.registry import open_layout
from trainables.data.resident import RESIDENT
from trainables.data.transforms import DRAWS, Batch, RandomTransform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from search_spaces.resolution import Resolution
    from trainables.config import DataConfig
    from trainables.data.cache import CachedSplit
    from trainables.data.layouts.base import SplitRole


class SegmentationDataset(Dataset[Batch]):
    """The decoded samples of one cached split, with the parameters of their random transforms.

    The parameters depend on (seed, epoch, index) alone, not on the number of loader processes or
    the order of reading. ``network_inputs`` applies them to a batch, on the device that trains.
    """

    def __init__(
        self,
        split: CachedSplit,
        class_names: tuple[str, ...],
        *,
        transform: RandomTransform | None = None,
        seed: int = 0,
        soft_labels: NDArray[np.float16] | None = None,
    ) -> None:
        """Read ``split``; ``soft_labels`` (N x C x h x w, float16) are a teacher's logits.

        Raises:
            ValueError: the soft labels have another number of samples or classes.
        """
        self.class_names = class_names
        self._split, self._transform, self._seed = split, transform, seed
        self._arrays: dict[str, NDArray[Any]] = {"image": split.images(), "mask": split.masks()}
        if soft_labels is not None:
            self._arrays["soft"] = soft_labels
        self._resident: Batch | None = None
        self._draws: tuple[int, NDArray[np.float32]] | None = None
        # Shared memory, so that persistent loader processes see a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]
        expected = (len(self), len(class_names))
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

    @property
    def bytes(self) -> int:
        """Size of all decoded samples."""
        return sum(array.nbytes for array in self._arrays.values())

    @property
    def is_resident(self) -> bool:
        """Whether all decoded samples are in a device's memory."""
        return self._resident is not None

    def keep_on(self, device: torch.device, most_bytes: int) -> None:
        """Copy all decoded samples to ``device``, from which ``batch`` then takes them.

        Trials of one process share the copies, which take at most ``most_bytes`` together.
        """
        self._resident = {
            name: RESIDENT.on(device, array, most_bytes) for name, array in self._arrays.items()
        }

    def __len__(self) -> int:
        return len(self._arrays["image"])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return ``batch(indices)``; torch's loader calls this once for a whole batch."""
        return self.batch(indices)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the decoded samples at ``indices``; an empty dict without any."""
        if not indices:
            return {}
        rows = np.asarray(indices)
        parameters = self._random_parameters(rows)
        if self._resident is not None:
            kept = self._resident
            on_device = torch.from_numpy(rows).to(kept["image"].device, non_blocking=True)
            return {name: values[on_device] for name, values in kept.items()} | parameters
        # Indexing by an array copies; writes to a tensor over a read-only map are undefined.
        batch = {name: torch.from_numpy(values[rows]) for name, values in self._arrays.items()}
        return batch | parameters

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return the untransformed image at ``index``, H x W x 3, RGB."""
        return np.array(self._arrays["image"][index])

    def _random_parameters(self, rows: NDArray[np.int64]) -> Batch:
        if self._transform is None:
            return {}
        epoch = int(self._epoch)
        if self._draws is None or self._draws[0] != epoch:
            generator = np.random.default_rng([abs(self._seed), epoch])
            drawn = generator.random((len(self), DRAWS), dtype=np.float32)
            self._draws = (epoch, drawn)
        return self._transform.parameters(self._draws[1][rows])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what pickle would copy in full: maps of files, and copies on a device."""
        files = {
            name: Path(str(array.filename)) if isinstance(array, np.memmap) else array
            for name, array in self._arrays.items()
        }
        return self.__dict__ | {"_arrays": files, "_draws": None, "_resident": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the memory maps again."""
        self.__dict__.update(state)
        self._arrays = {
            name: np.load(array, mmap_mode="r") if isinstance(array, Path) else array
            for name, array in state["_arrays"].items()
        }


def build_dataset(
    config: DataConfig,
    role: SplitRole,
    resolution: Resolution,
    cache_dir: str | Path,
    *,
    mask_resolution: Resolution | None = None,
) -> SegmentationDataset:
    """Return one split at ``resolution``, without random transforms.

    ``mask_resolution`` is the resolution of the masks; None: ``resolution``.

    Raises:
        DataError: the data set cannot be used.
        CacheError: the cache folder cannot hold it.
    """
    layout = open_layout(config, cache_dir)
    split = cached_split(layout, role, resolution, cache_dir, mask_resolution=mask_resolution)
    return SegmentationDataset(split, layout.class_names)


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
    transform = RandomTransform.of(augmentation, resolution, vertical_flips=vertical_flips)
    return (
        SegmentationDataset(train, names, transform=transform, seed=seed, soft_labels=soft_labels),
        SegmentationDataset(val, names),
    )
