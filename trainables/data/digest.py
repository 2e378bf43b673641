"""Digests of data sets, which do not depend on their folder."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainables.data.layouts.base import Layout, SamplePaths, SplitRole

DIGEST_LENGTH = 16
MISSING = "missing"


def dataset_digest(
    layout: Layout,
    cache_dir: str | Path | None = None,
    *,
    roles: Sequence[SplitRole] | None = None,
) -> str:
    """Return 16 hex digits over names, sizes and content of all files of ``roles``.

    None takes all splits of the layout. With a ``cache_dir``, digests are cached by name, size and
    time of change of the files.
    """
    return join_digests(
        split_digest(layout, layout.samples(role), cache_dir) for role in roles or layout.roles
    )


def split_digest(
    layout: Layout, samples: Sequence[SamplePaths], cache_dir: str | Path | None = None
) -> str:
    """Return 16 hex digits over names, sizes and content of the files of ``samples``, in order."""
    memo = _memo_path(layout.root, samples, cache_dir)
    cached = _read_memo(memo)
    if cached is not None:
        return cached
    paths = [path for sample in samples for path in sample]
    with ThreadPoolExecutor(max_workers=usable_cpus()) as pool:
        digest = join_entries(layout.root, zip(paths, pool.map(file_digest, paths), strict=True))
    _write_memo(memo, digest)
    return digest


def remember_split(
    layout: Layout, samples: Sequence[SamplePaths], digest: str, cache_dir: str | Path | None
) -> None:
    """Cache the ``digest`` of a split, so that ``split_digest`` need not read its files."""
    _write_memo(_memo_path(layout.root, samples, cache_dir), digest)


def file_digest(path: Path) -> str:
    """Return ``SIZE-SHA256`` of a file's content, or ``missing`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
            return f"{os.fstat(file.fileno()).st_size}-{content}"
    except OSError:
        return MISSING


def content_digest(data: bytes) -> str:
    """Return the ``file_digest`` of a file with content ``data``."""
    return f"{len(data)}-{hashlib.sha256(data).hexdigest()}"


def join_entries(root: Path, entries: Iterable[tuple[Path, str]]) -> str:
    """Return one digest of ``(path, file digest)`` pairs; paths count relative to ``root``."""
    return join_digests(
        f"{path.relative_to(root).as_posix()!r} {digest}" for path, digest in entries
    )


def join_digests(digests: Iterable[str]) -> str:
    """Return 16 hex digits over ``digests``, in order."""
    text = "\n".join(digests)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def usable_cpus() -> int:
    """Return the number of threads that read and decode: this process's CPUs, at most 16."""
    return min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)


def _memo_path(
    root: Path, samples: Sequence[SamplePaths], cache_dir: str | Path | None
) -> Path | None:
    if cache_dir is None:
        return None
    lines = [str(root.absolute())]
    for sample in samples:
        for path in sample:
            try:
                stat = path.stat()
            except OSError:
                return None
            lines.append(f"{str(path)!r} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}")
    return Path(cache_dir) / "digests" / f"{join_digests(lines)}.json"


def _read_memo(memo: Path | None) -> str | None:
    if memo is None:
        return None
    try:
        digest = json.loads(memo.read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) and len(digest) == DIGEST_LENGTH else None


def _write_memo(memo: Path | None, digest: str) -> None:
    if memo is None:
        return
    with suppress(OSError):  # the cache only saves time; other writes report a full disk
        write_atomically(memo, json.dumps({"digest": digest}).encode())
