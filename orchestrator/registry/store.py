"""MLflow's model registry with the aliases ``champion`` and ``previous``."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from orchestrator.registry.loading import ModelSource, global_store, save_mlflow_model
from orchestrator.registry.versions import (
    CHAMPION,
    MODEL,
    PREVIOUS,
    REPLACED,
    ModelRef,
    ModelVersion,
    UnknownModelError,
    rollback_target,
)
from orchestrator.tracking import names
from orchestrator.tracking.client import (
    TrackingError,
    artifact_location,
    connect,
    find_experiment,
    sqlite_folder,
    tracking_errors,
)
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

LOCK_SECONDS = 60.0
"""Longest wait for another process that moves aliases of the same model, s."""
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


class ChampionMovedError(TrackingError):
    """The champion changed during a promotion or rollback."""


class ModelRegistry:
    """The registered models of a tracking store.

    Every method raises ``TrackingError`` if the store does not answer. Not thread-safe.
    """

    def __init__(self, uri: str) -> None:
        """Do not connect yet."""
        self.uri = uri
        self._made: MlflowClient | None = None

    def find(self, ref: ModelRef) -> ModelVersion:
        """Return the version of ``ref``.

        Raises:
            UnknownModelError: it does not exist.
        """
        version = self._find(ref)
        if version is None:
            self._check_model(ref.name)
            raise UnknownModelError(
                f"there is no {ref}; list the versions with 'segsweep models {ref.name}'"
            )
        return version

    def _check_model(self, name: str) -> None:
        """Raise ``UnknownModelError`` if no model ``name`` is registered."""
        known = self.model_names()
        if name not in known:
            raise UnknownModelError(
                f"there is no model {name!r} in {redact(self.uri)}; "
                f"registered models are {', '.join(known) or 'none'}"
            )

    def champion(self, name: str) -> ModelVersion | None:
        """Return the champion; None if the model or its champion does not exist."""
        return self._find(ModelRef(name, CHAMPION))

    def model_names(self) -> list[str]:
        """Return the names of all registered models, sorted."""
        with tracking_errors("list the registered models"):
            return sorted(each.name for each in self._client.search_registered_models())

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model, the latest first.

        Raises:
            UnknownModelError: there is no such model.
        """
        self._check_model(name)
        with tracking_errors(f"list the versions of {name}"):
            aliases = self._client.get_registered_model(name).aliases
            found = self._client.search_model_versions(names.equals("name", name))
        by_version: dict[int, list[str]] = {}
        for alias, number in aliases.items():
            by_version.setdefault(int(number), []).append(alias)
        versions = [_version(each, by_version.get(int(each.version), [])) for each in found]
        return tuple(sorted(versions, key=lambda each: each.version, reverse=True))

    def description(self, version: ModelVersion) -> dict[str, Any]:
        """Return the description of a version's model; empty for models of other products."""
        what = f"read version {version.version} of {version.name}"
        with tracking_errors(what), global_store(self.uri):
            from mlflow.models import Model  # noqa: PLC0415 - takes two seconds

            model = Model.load(f"models:/{version.name}/{version.version}")
            return dict(model.metadata or {})

    def trial_run(
        self, experiment: str, sweep_id: str, trial_id: str, *, artifact_root: Path
    ) -> tuple[str, str | None]:
        """Return the experiment's id and the id of the trial's run; None without a run.

        A missing experiment is created, with its artifacts below ``artifact_root``.
        """
        with tracking_errors("find the trial's run"):
            location = artifact_location(self.uri, artifact_root, experiment)
            experiment_id = find_experiment(self._client, experiment, location)
            query = names.tag_filter(sweep__id=sweep_id, trial__id=trial_id)
            runs = self._client.search_runs([experiment_id], query, max_results=1)
            return experiment_id, runs[0].info.run_id if runs else None

    def register(
        self,
        name: str,
        source: ModelSource,
        *,
        experiment_id: str,
        run_id: str | None,
        tags: Mapping[str, str],
        description: str,
    ) -> ModelVersion:
        """Register ``source`` as a new version of ``name``, without an alias."""
        with tracking_errors(f"register a version of {name}"):
            logged = self._client.create_logged_model(
                experiment_id,
                name=_model_id_name(name),
                source_run_id=run_id,
                model_type="segmentation",
            )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model"
                save_mlflow_model(source, path, run_id=run_id, model_id=logged.model_id)
                self._client.log_model_artifacts(logged.model_id, str(path))
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._make_model(name)
            with global_store(self.uri):
                made = self._client.create_model_version(
                    name,
                    f"models:/{logged.model_id}",
                    run_id=run_id,
                    tags={**tags, MODEL: logged.model_id},
                    description=description,
                    model_id=logged.model_id,
                )
        return _version(made, ())

    def annotate(
        self, version: ModelVersion, tags: Mapping[str, str], files: Mapping[str, str] | None = None
    ) -> None:
        """Add tags and artifacts (text by file name) to a version."""
        with tracking_errors(f"write version {version.version} of {version.name}"):
            for key, value in tags.items():
                self._client.set_model_version_tag(
                    version.name, str(version.version), key, value[:5000]
                )
            with tempfile.TemporaryDirectory() as folder:
                for file, text in (files or {}).items():
                    path = Path(folder) / file
                    path.write_text(text, encoding="utf-8")
                    if version.model_id is not None:
                        self._client.log_model_artifact(version.model_id, str(path))

    def set_champion(self, version: ModelVersion, *, expected: ModelVersion | None) -> None:
        """Set the alias ``champion`` to ``version`` and ``previous`` to the former champion.

        ``previous`` moves first. A crash between the two moves leaves both aliases on the former
        champion, so there is always exactly one champion.

        Args:
            version: Version to promote.
            expected: Champion that it was compared with; None for none.

        Raises:
            ChampionMovedError: another version has become the champion since.
        """
        with self._moving(version.name):
            champion = self.champion(version.name)
            numbers = [None if each is None else each.version for each in (champion, expected)]
            if numbers[0] != numbers[1]:
                raise ChampionMovedError(
                    f"the champion of {version.name} became version {numbers[0]} while version "
                    f"{version.version} was compared with {numbers[1]}; promote again"
                )
            if champion is not None:
                self.annotate(version, {REPLACED: str(champion.version)})
            self._move(version.name, champion, version.version)

    def roll_back(self, name: str) -> tuple[int, int]:
        """Make the previous champion the champion again; return both version numbers.

        The first number is the former champion, the second the current one.

        Raises:
            UnknownModelError: there is no champion, or it replaced no version.
        """
        with self._moving(name):
            champion = self.find(ModelRef(name, CHAMPION))
            target = rollback_target(champion, self._find(ModelRef(name, PREVIOUS)))
            if target is None or self._find(ModelRef(name, None, target)) is None:
                raise UnknownModelError(
                    f"version {champion.version} of {name} replaced no other version, so there is "
                    "nothing to roll back to; list the versions with 'segsweep models'"
                )
            self._move(name, champion, target)
            return champion.version, target

    def _move(self, name: str, champion: ModelVersion | None, to: int) -> None:
        with tracking_errors(f"move the aliases of {name}"):
            if champion is not None:
                self._client.set_registered_model_alias(name, PREVIOUS, str(champion.version))
            self._client.set_registered_model_alias(name, CHAMPION, str(to))

    @contextmanager
    def _moving(self, name: str) -> Iterator[None]:
        """Lock the aliases of ``name`` against other processes on this machine or SQLite store.

        Raises:
            ChampionMovedError: the lock was not acquired within ``LOCK_SECONDS``.
        """
        folder = sqlite_folder(self.uri) or Path(tempfile.gettempdir()) / "segsweep"
        folder.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(f"{self.uri} {name}".encode()).hexdigest()[:16]
        lock = FileLock(folder / f"registry-{key}.lock")
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout as error:
            raise ChampionMovedError(
                f"another process has locked the aliases of {name} for {LOCK_SECONDS:g} s; "
                "try again later"
            ) from error
        try:
            yield
        finally:
            lock.release()

    @property
    def _client(self) -> MlflowClient:
        if self._made is None:
            self._made = connect(self.uri)
        return self._made

    def _find(self, ref: ModelRef) -> ModelVersion | None:
        with tracking_errors(f"look for {ref}"):
            try:
                if ref.version is not None:
                    found = self._client.get_model_version(ref.name, str(ref.version))
                else:
                    alias = ref.alias or CHAMPION
                    found = self._client.get_model_version_by_alias(ref.name, alias)
            except Exception as error:
                if getattr(error, "error_code", None) in _ABSENT:
                    return None
                raise
        return _version(found, found.aliases)

    def _make_model(self, name: str) -> None:
        try:
            self._client.create_registered_model(name)
        except Exception as error:  # it exists already
            if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                raise


def _version(found: MlflowVersion, aliases: object) -> ModelVersion:
    return ModelVersion(
        name=found.name,
        version=int(found.version),
        aliases=tuple(sorted(aliases)) if isinstance(aliases, list | tuple) else (),
        created_ms=int(found.creation_timestamp or 0),
        run_id=found.run_id or None,
        model_id=found.model_id or found.tags.get(MODEL),
        tags=dict(found.tags),
    )


def _model_id_name(name: str) -> str:
    """Return ``name`` with the characters that a logged model may have."""
    return "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
