"""Cost profiles on disk, shared by the processes of a node."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from trainables.cost.profile import CostProfile, profile_config
from trainables.cost.signature import cost_signature, describe_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from search_spaces.config import TrialConfig
    from trainables.config import TargetConfig
    from trainables.cost.profile import Measuring


class ProfileCache:
    """Profiles by signature, one JSON file each, written atomically."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def get(self, signature: str) -> CostProfile | None:
        """Return the profile stored under ``signature``; None if it is missing or unreadable."""
        try:
            return CostProfile.from_mapping(json.loads(self._file(signature).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def put(self, signature: str, profile: CostProfile) -> None:
        """Store ``profile`` and replace an earlier one."""
        text = json.dumps(profile.to_mapping(), indent=1)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.folder, suffix=".tmp", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._file(signature))

    def get_or_make(self, signature: str, make: Callable[[], CostProfile]) -> CostProfile:
        """Return the profile stored under ``signature``; call ``make`` and store it if missing.

        Of several processes that need the same signature one calls ``make``, and the others wait. A
        profile with a disturbed latency is returned, not stored. Never call this inside
        ``QuietNode.training``: ``make`` may wait until this process pauses.
        """
        profile = self.get(signature)
        if profile is not None:
            return profile
        with FileLock(self.folder / f"{signature}.lock"):
            profile = self.get(signature)
            if profile is None:
                profile = make()
                if profile.sound:
                    self.put(signature, profile)
        return profile

    def _file(self, signature: str) -> Path:
        return self.folder / f"{signature}.json"


def cached_profile(
    config: TrialConfig,
    num_classes: int,
    target: TargetConfig,
    cache_dir: str | Path,
    *,
    channels_last: bool,
    measuring: Measuring,
) -> CostProfile:
    """Return the cost of ``config`` from the cache in ``cache_dir``, measured first if missing.

    Raises as ``profile_config``, whose arguments these are.
    """
    host = describe_host(target)
    signature = cost_signature(config, num_classes, target, host, channels_last=channels_last)
    return ProfileCache(Path(cache_dir) / "profiles").get_or_make(
        signature,
        lambda: profile_config(
            config, num_classes, target, channels_last=channels_last, measuring=measuring
        ),
    )
