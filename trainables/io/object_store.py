"""Files below an address of an object store, through pyarrow's file systems."""

from __future__ import annotations

import io
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO
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
"""Allowed schemes, with the source of the credentials of each."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET = re.compile(r"key|secret|token|password|credential|sig", re.IGNORECASE)
_CHUNK = 8 * 2**20
"""Bytes per read and write; memory per transfer."""
_GCS_RETRY_LIMIT = "retry_limit_seconds=60"
"""Google's client otherwise retries for many minutes before it reports an error."""
_ACCESS_DENIED = (
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
"""Texts in the errors of a store that refuses the credentials; pyarrow raises a plain OSError."""
_NO_BUCKET = ("NO_SUCH_BUCKET", "NoSuchBucket", "ContainerNotFound", "bucket does not exist")


class StoreError(RuntimeError):
    """A request to an object store failed."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Size and time of a file, from the store's listing."""

    size: int
    """Bytes, >= 0."""
    changed_ns: int
    """Time of the last write, nanoseconds since 1970 on the store's clock; 0 where unknown."""


def is_address(text: str) -> bool:
    """Whether ``text`` has a scheme, so that it is an address and no path."""
    return _ADDRESS.match(text) is not None


def address_fault(address: str) -> str | None:
    """Return why ``address`` cannot name a folder of an object store; None where it can."""
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
            f"must hold no credentials; remove them from the {scheme}:// address and set them in "
            f"the environment: {CREDENTIALS[scheme]}"
        )
    return _folder_fault(address, parts, scheme)


def _folder_fault(address: str, parts: SplitResult, scheme: str) -> str | None:
    if not address.isprintable():
        return "must hold printable characters only; write others as %XX"
    if "#" in address or (scheme == "file" and "?" in address):
        return f"must write %23 for '#' and %3F for '?', got {without_secrets(address)}"
    if scheme == "file" and not parts.path.strip("/"):
        return "must name a folder, such as file:///mnt/bucket/sweeps"
    if scheme != "file" and not parts.netloc:
        return f"must name a bucket, such as {scheme}://BUCKET/FOLDER"
    return None


class ObjectStore:
    """Reads and writes files below one address; names are relative with ``/`` between folders.

    A file appears under its name only when it is complete. Credentials come from the environment.
    Every method raises ``StoreError`` where the store cannot be reached or refuses access.
    """

    def __init__(self, address: str) -> None:
        """Set the address; no request is sent.

        Raises:
            StoreError: the address cannot be used.
        """
        if fault := address_fault(address):
            raise StoreError(f"{without_secrets(address)}: {fault}")
        self.address = address.rstrip("/")
        self._scheme = urlsplit(address).scheme.lower()
        with self._explained():
            self._system, self._base = _file_system(self.address, self._scheme)

    def files(self, below: str = "") -> dict[str, StoredFile]:
        """Return all files at any depth of the folder ``below``, by name relative to it."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 - slow to import

        folder = self._path(below)
        with self._explained():
            infos = self._system.get_file_info(
                FileSelector(folder, recursive=True, allow_not_found=True)
            )
        files = {
            _safe(info.path[len(folder) + 1 :]): StoredFile(info.size or 0, info.mtime_ns or 0)
            for info in infos
            if info.type == FileType.File and len(info.path) > len(folder)
        }
        # Stores without folders may list an empty file with the name of a folder.
        folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
        return {name: file for name, file in files.items() if file.size or name not in folders}

    def folders(self, below: str) -> list[str]:
        """Return the names of the folders in ``below``, sorted."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 - slow to import

        with self._explained():
            infos = self._system.get_file_info(
                FileSelector(self._path(below), allow_not_found=True)
            )
        return sorted(_safe(info.base_name) for info in infos if info.type == FileType.Directory)

    def put(self, name: str, source: Path) -> None:
        """Copy the local file ``source`` to ``name``.

        Raises:
            FileNotFoundError: there is no such local file.
        """
        with source.open("rb") as file:
            self._write(name, file)

    def write(self, name: str, data: bytes) -> None:
        """Make ``data`` the content of ``name``."""
        self._write(name, io.BytesIO(data))

    def read(self, name: str) -> bytes | None:
        """Return the content of ``name``; None where there is no such file."""
        if not self.has(name):
            return None
        with self._explained(), self._system.open_input_stream(self._path(name)) as stream:
            return bytes(stream.read())

    def has(self, name: str) -> bool:
        """Whether there is a file ``name``."""
        from pyarrow.fs import FileType  # noqa: PLC0415 - slow to import

        with self._explained():
            return bool(self._system.get_file_info(self._path(name)).type == FileType.File)

    def get(self, name: str, target: Path) -> None:
        """Copy ``name`` to the local file ``target``, creating its folder.

        Raises:
            StoreError: there is no such file; ``target`` stays as it was.
        """

        def download(file: BinaryIO) -> None:
            with self._explained(), self._system.open_input_stream(self._path(name)) as stream:
                shutil.copyfileobj(stream, file, _CHUNK)

        write_atomically(target, download)

    def delete(self, name: str) -> None:
        """Remove ``name`` if it exists."""
        with self._explained():
            try:
                self._system.delete_file(self._path(name))
            except OSError:
                # pyarrow then writes an empty object for the folder, which a store may refuse.
                if self.has(name):
                    raise

    def _write(self, name: str, source: BinaryIO) -> None:
        # An object appears when its stream is closed; a local file needs a draft and a rename.
        path = draft = self._path(name)
        local = self._system.type_name == "local"
        with self._explained():
            if local:
                folder = PurePosixPath(path).parent
                draft = str(folder / f".{PurePosixPath(path).name}")
                self._system.create_dir(str(folder), recursive=True)
            with self._system.open_output_stream(draft) as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
            if local:
                self._system.move(draft, path)

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}".rstrip("/")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise ``StoreError`` with a remedy for errors of the store."""
        try:
            yield
        except FileNotFoundError as error:
            if error.filename is not None:  # a local file
                raise
            raise StoreError(f"{self.address}: {_line(error)}") from error
        except (OSError, ValueError, NotImplementedError) as error:
            text = str(error)
            if any(phrase in text for phrase in _NO_BUCKET):
                raise StoreError(
                    f"{self.address}: there is no such bucket; create it, or name another one"
                ) from error
            if any(phrase in text for phrase in _ACCESS_DENIED):
                raise StoreError(
                    f"{self.address}: access denied; the credentials come from "
                    f"{CREDENTIALS[self._scheme]} ({_line(error)})"
                ) from error
            raise StoreError(f"{self.address}: {_line(error)}") from error


def without_secrets(address: str) -> str:
    """Return the address without password, query and fragment."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return f"{address.partition('://')[0]}://..."
    host = parts.netloc.rpartition("@")[2] if parts.password is not None else parts.netloc
    return f"{parts.scheme}://{host}{parts.path}" if is_address(address) else address


def _file_system(address: str, scheme: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem, LocalFileSystem  # noqa: PLC0415 - slow to import

    if scheme == "file":
        return LocalFileSystem(), unquote(urlsplit(address).path).rstrip("/")
    if scheme in {"gs", "gcs"} and "retry_limit_seconds" not in address:
        address += ("&" if "?" in address else "?") + _GCS_RETRY_LIMIT
    system, base = FileSystem.from_uri(address)
    return system, base.rstrip("/")


def _safe(name: str) -> str:
    """Return ``name``.

    Raises:
        StoreError: it leads out of its folder, so a copy could overwrite any local file.
    """
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise StoreError(f"the store holds a file named {name!r}, which leads out of its folder")
    return name


def _line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text if len(text) <= 300 else f"{text[:297]}..."
