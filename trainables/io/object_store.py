"""Files below an address of an object store."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

    from pyarrow.fs import FileSystem

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, a profile, or the machine's role",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or the machine's account",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS, or the machine's account",
    "abfs": "AZURE_CLIENT_ID with AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or the machine's role",
    "abfss": "AZURE_CLIENT_ID with AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or the machine's role",
    "file": "the permissions of the folder",
}
"""Schemes that an address may have, with where each takes its credentials from."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET = re.compile(r"key|secret|token|password|credential|sig", re.IGNORECASE)
_PIECE = 8 * 2**20
_GCS_PATIENCE = "retry_limit_seconds=60"
_REFUSED = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "UnsupportedAlgorithm",
    "UNRECOGNIZED_CLIENT",
    "EXPIRED_TOKEN",
    "HTTP status 401",
    "HTTP status 403",
    "access token",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "CredentialUnavailable",
)
_ABSENT = ("NO_SUCH_BUCKET", "NoSuchBucket", "ContainerNotFound", "bucket does not exist")


class StoreError(RuntimeError):
    """An object store does not take or give what it is asked for."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its store tells of it."""

    size: int
    """Bytes, >= 0."""
    changed_ns: int
    """When it was written, nanoseconds since 1970 on the store's clock; 0 where it is not told."""


def is_address(text: str) -> bool:
    """Whether ``text`` is an address with a scheme rather than a path."""
    return _ADDRESS.match(text) is not None


def address_fault(address: str) -> str | None:
    """Return what keeps ``address`` from naming a place in an object store; None where it may."""
    known = ", ".join(f"{scheme}://" for scheme in CREDENTIALS)
    if not is_address(address):
        return f"must be an address that begins with one of {known}, got {address!r}"
    try:
        parts = urlsplit(address)
    except ValueError as error:
        return f"cannot be read as an address ({error})"
    scheme = parts.scheme.lower()
    if scheme not in CREDENTIALS:
        return f"must begin with one of {known}, got {scheme}://"
    if parts.password is not None or any(map(_SECRET.search, parse_qs(parts.query))):
        return (
            f"must hold no credentials; leave them out of the {scheme}:// address and give them "
            f"by the environment: {CREDENTIALS[scheme]}"
        )
    return _place_fault(address, parts, scheme)


def _place_fault(address: str, parts: SplitResult, scheme: str) -> str | None:
    if not address.isprintable():
        return "must be of printable characters; write others as %XX"
    if "#" in address or (scheme == "file" and "?" in address):
        return f"must name its folder with %23 for '#' and %3F for '?', got {shown(address)}"
    if scheme == "file" and not parts.path.strip("/"):
        return "must name a folder, such as file:///mnt/bucket/sweeps"
    if scheme != "file" and not parts.netloc:
        return f"must name a bucket, such as {scheme}://BUCKET/FOLDER"
    return None


class ObjectStore:
    """Reads and writes files below one address; names are relative with ``/`` between folders.

    A file is there whole or not at all. Credentials come from the environment alone.
    """

    def __init__(self, address: str) -> None:
        """Name the place; the store itself is asked by the methods.

        Raises:
            StoreError: the address cannot be used.
        """
        if fault := address_fault(address):
            raise StoreError(f"{shown(address)}: {fault}")
        self.address = address.rstrip("/")
        self._scheme = urlsplit(address).scheme.lower()
        with self._explained():
            self._system, self._base = _file_system(self.address, self._scheme)

    def files(self, below: str = "") -> dict[str, StoredFile]:
        """Return all files in the folder ``below``, by their names there; none where there is none.

        Raises:
            StoreError: the store does not answer, or does not let us in.
        """
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 - loaded where it is used

        place = self._place(below)
        with self._explained():
            found = self._system.get_file_info(
                FileSelector(place, recursive=True, allow_not_found=True)
            )
        files = {
            _safe(each.path[len(place) + 1 :]): StoredFile(each.size or 0, each.mtime_ns or 0)
            for each in found
            if each.type == FileType.File and len(each.path) > len(place)
        }
        folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
        return {  # a store without folders may keep an empty file in the place of one
            name: file for name, file in files.items() if file.size or name not in folders
        }

    def folders(self, below: str) -> list[str]:
        """Return the names of the folders in ``below``, sorted."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 - loaded where it is used

        with self._explained():
            found = self._system.get_file_info(
                FileSelector(self._place(below), allow_not_found=True)
            )
        return sorted(_safe(each.base_name) for each in found if each.type == FileType.Directory)

    def put(self, name: str, source: Path) -> None:
        """Copy the local file ``source`` to ``name``.

        Raises:
            StoreError: the store does not take it.
            FileNotFoundError: there is no such local file.
        """
        with source.open("rb") as file:
            self._write(name, iter(lambda: file.read(_PIECE), b""))

    def write(self, name: str, data: bytes) -> None:
        """Make ``data`` the content of ``name``."""
        self._write(name, iter([data]))

    def read(self, name: str) -> bytes | None:
        """Return the content of ``name``; None where there is no such file."""
        if not self.has(name):
            return None
        with self._explained(), self._system.open_input_stream(self._place(name)) as stream:
            return bytes(stream.read())

    def has(self, name: str) -> bool:
        """Whether there is a file ``name``."""
        from pyarrow.fs import FileType  # noqa: PLC0415 - loaded where it is used

        with self._explained():
            return bool(self._system.get_file_info(self._place(name)).type == FileType.File)

    def get(self, name: str, target: Path) -> None:
        """Copy ``name`` to the local file ``target``, whose folder is made where it is not there.

        Raises:
            StoreError: the store does not give it.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                with self._explained(), self._system.open_input_stream(self._place(name)) as stream:
                    while piece := stream.read(_PIECE):
                        file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def delete(self, name: str) -> None:
        """Remove ``name``; nothing happens where it is not there."""
        with self._explained():
            try:
                self._system.delete_file(self._place(name))
            except OSError:  # the file is gone, and its store refuses a marker for its folder
                if self.has(name):
                    raise

    def _write(self, name: str, pieces: Iterator[bytes]) -> None:
        place = self._place(name)
        local = self._system.type_name == "local"
        draft = (
            str(PurePosixPath(place).with_name(f".{PurePosixPath(place).name}")) if local else place
        )
        with self._explained():
            if local:
                self._system.create_dir(str(PurePosixPath(place).parent), recursive=True)
            with self._system.open_output_stream(draft) as stream:
                for piece in pieces:
                    stream.write(piece)
            if local:
                self._system.move(draft, place)

    def _place(self, name: str) -> str:
        return f"{self._base}/{name}".rstrip("/")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the store says into an error that says what to do."""
        try:
            yield
        except FileNotFoundError as error:
            if error.filename is not None:  # one of this machine's own files
                raise
            raise StoreError(f"{self.address}: {_line(error)}") from error
        except (OSError, ValueError, NotImplementedError) as error:
            text = str(error)
            if any(each in text for each in _ABSENT):
                raise StoreError(
                    f"{self.address}: there is no such bucket; make it, or name another one"
                ) from error
            if any(each in text for each in _REFUSED):
                raise StoreError(
                    f"{self.address}: the store does not let us in; it takes credentials from "
                    f"{CREDENTIALS[self._scheme]} ({_line(error)})"
                ) from error
            raise StoreError(f"{self.address}: {_line(error)}") from error


def shown(address: str) -> str:
    """Return the address without what may be a secret in it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return f"{address.partition('://')[0]}://..."
    place = parts.netloc.rpartition("@")[2] if parts.password is not None else parts.netloc
    return f"{parts.scheme}://{place}{parts.path}" if is_address(address) else address


def _file_system(address: str, scheme: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem, LocalFileSystem  # noqa: PLC0415 - loaded where it is used

    if scheme == "file":
        return LocalFileSystem(), unquote(urlsplit(address).path).rstrip("/")
    if scheme in {"gs", "gcs"} and "retry_limit_seconds" not in address:
        address += ("&" if "?" in address else "?") + _GCS_PATIENCE
    files, base = FileSystem.from_uri(address)
    return files, base.rstrip("/")


def _safe(name: str) -> str:
    """Return a file's name where it stays in its folder.

    Raises:
        StoreError: it leads out of it.
    """
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise StoreError(f"the store holds a file called {name!r}, which leads out of its folder")
    return name


def _line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text if len(text) <= 300 else f"{text[:297]}..."
