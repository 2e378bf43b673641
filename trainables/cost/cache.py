"""Cost profiles kept on disk for every process of a node."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from trainables.cost.profile import CostProfile

if TYPE_CHECKING:
    from collections.abc import Callable


class ProfileCache:
    """Profiles by signature, one JSON file each, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def get(self, signature: str) -> CostProfile | None:
        """Return the profile stored under ``signature``; None if there is none that is sound."""
        try:
            return CostProfile.from_mapping(json.loads(self._file(signature).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def put(self, signature: str, profile: CostProfile) -> None:
        """Store ``profile``, in place of what may be there."""
        text = json.dumps(profile.to_mapping(), indent=1)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.folder, suffix=".tmp", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._file(signature))

    def get_or_make(self, signature: str, make: Callable[[], CostProfile]) -> CostProfile:
        """Return the profile stored under ``signature``, made and stored first if need be.

        Processes that ask for the same signature at once make it only once: the others wait. A
        profile with a disturbed latency is returned, not stored. Never call it
        inside ``QuietNode.training``: the maker may wait for this very process to stand still.
        """
        found = self.get(signature)
        if found is not None:
            return found
        with FileLock(self.folder / f"{signature}.lock"):
            found = self.get(signature)
            if found is None:
                found = make()
                if found.sound:
                    self.put(signature, found)
        return found

    def _file(self, signature: str) -> Path:
        return self.folder / f"{signature}.json"
