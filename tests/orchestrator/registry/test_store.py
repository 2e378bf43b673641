"""Aliases in a real MLflow registry on SQLite."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from orchestrator.registry.loading import ModelSource, global_store
from orchestrator.registry.store import ChampionMovedError, ModelRegistry
from orchestrator.registry.versions import CHAMPION, PREVIOUS, ModelRef, UnknownModelError
from search_spaces.config import TrialConfig
from trainables.inference.package import pack
from trainables.inference.trained import TrainedModel

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.registry.versions import ModelVersion

pytestmark = pytest.mark.slow


class Store:
    """A registry with one packed model, from which versions of any name are made quickly."""

    def __init__(self, root: Path) -> None:
        self.uri = f"sqlite:///{root / 'mlflow.db'}"
        self.registry = ModelRegistry(self.uri)
        trained = TrainedModel(
            module=torch.nn.Conv2d(3, 2, 1).eval(),
            config=TrialConfig.from_mapping({"resolution": "32x48"}),
            class_names=("ground", "sky"),
            digest="0",
        )
        packed = pack(trained, root / "files", {})
        client: Any = self.registry._client
        experiment = client.create_experiment("tests", (root / "artifacts").as_uri())
        self.first = self.registry.register(
            "first",
            ModelSource(
                files=packed.folder,
                example=np.zeros((1, 32, 48, 3), np.uint8),
                metadata={"class_names": ["ground", "sky"]},
            ),
            experiment_id=experiment,
            run_id=None,
            tags={"promotion.by": "somebody"},
            description="one",
        )

    def versions(self, name: str, count: int) -> list[ModelVersion]:
        client: Any = self.registry._client
        client.create_registered_model(name)
        with global_store(self.uri):
            for _ in range(count):
                client.create_model_version(
                    name, f"models:/{self.first.model_id}", model_id=self.first.model_id
                )
        return sorted(self.registry.versions(name), key=lambda each: each.version)

    def aliases(self, name: str) -> dict[str, int]:
        client: Any = self.registry._client
        aliases = client.get_registered_model(name).aliases
        return {alias: int(version) for alias, version in aliases.items()}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("registry"))


def test_a_registered_version_has_its_facts_and_no_alias(store: Store) -> None:
    found = store.registry.find(ModelRef("first", None, 1))
    assert found.tags["promotion.by"] == "somebody"
    assert store.aliases("first") == {}
    assert store.registry.champion("first") is None
    assert store.registry.description(found)["class_names"] == ["ground", "sky"]


def test_notes_become_tags_and_files_of_the_version(store: Store) -> None:
    client: Any = store.registry._client
    store.registry.annotate(store.first, {"gate.miou": "passed"}, {"promotion.json": "{}"})
    assert store.registry.find(ModelRef("first", None, 1)).tags["gate.miou"] == "passed"
    files = {each.path for each in client.list_logged_model_artifacts(store.first.model_id)}
    assert {"MLmodel", "promotion.json"} <= files


def test_each_promotion_keeps_the_one_before_and_a_rollback_changes_places(store: Store) -> None:
    registry = store.registry
    one, two, three = store.versions("street", 3)
    registry.set_champion(one, expected=None)
    assert store.aliases("street") == {CHAMPION: 1}
    with pytest.raises(UnknownModelError, match="replaced no other version"):
        registry.roll_back("street")
    registry.set_champion(two, expected=one)
    registry.set_champion(three, expected=two)
    assert store.aliases("street") == {CHAMPION: 3, PREVIOUS: 2}
    assert registry.roll_back("street") == (3, 2)
    assert store.aliases("street") == {CHAMPION: 2, PREVIOUS: 3}
    assert registry.roll_back("street") == (2, 3)


def test_a_promotion_that_compared_with_another_champion_moves_nothing(store: Store) -> None:
    one, two, three = store.versions("stale", 3)
    store.registry.set_champion(one, expected=None)
    store.registry.set_champion(two, expected=one)
    with pytest.raises(ChampionMovedError, match="became version 2"):
        store.registry.set_champion(three, expected=one)
    with pytest.raises(ChampionMovedError):
        store.registry.set_champion(three, expected=None)
    assert store.aliases("stale") == {CHAMPION: 2, PREVIOUS: 1}


RIVAL = """
import sys
from pathlib import Path
from orchestrator.registry.versions import ModelRef
from orchestrator.registry.store import ChampionMovedError, ModelRegistry
uri, number, gate = sys.argv[1:]
registry = ModelRegistry(uri)
one, mine = (registry.find(ModelRef("race", None, each)) for each in (1, int(number)))
Path(gate, number).touch()
while len(list(Path(gate).iterdir())) < 2:
    pass
try:
    registry.set_champion(mine, expected=one)
except ChampionMovedError:
    print("lost")
else:
    print("won")
"""
"""A process that promotes as soon as the other one is ready to."""


def test_of_two_processes_that_promote_at_once_one_wins(store: Store, tmp_path: Path) -> None:
    one, *_ = store.versions("race", 3)
    store.registry.set_champion(one, expected=None)
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, store.uri, str(number), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (2, 3)
    ]
    ends = [rival.communicate(timeout=120)[0].strip() for rival in rivals]
    assert sorted(ends) == ["lost", "won"]
    assert store.aliases("race") == {CHAMPION: 2 + ends.index("won"), PREVIOUS: 1}


def test_a_promotion_that_died_between_its_moves_left_a_champion(store: Store) -> None:
    one, two, three = store.versions("crash", 3)
    registry = store.registry
    registry.set_champion(one, expected=None)
    registry.set_champion(two, expected=one)

    class Died(Exception):  # noqa: N818 - it is no error of ours
        pass

    client: Any = registry._client
    real = client.set_registered_model_alias

    def die(name: str, alias: str, version: str) -> None:
        if alias == CHAMPION:
            raise Died
        real(name, alias, version)

    client.set_registered_model_alias = die
    try:
        with pytest.raises(Exception, match="move the aliases"):
            registry.set_champion(three, expected=two)
    finally:
        client.set_registered_model_alias = real
    assert store.aliases("crash") == {CHAMPION: 2, PREVIOUS: 2}
    assert registry.roll_back("crash") == (2, 1)


def test_a_missing_one_is_reported_with_the_existing_ones(store: Store) -> None:
    with pytest.raises(UnknownModelError, match=r"there is no model 'nothing' in .*first"):
        store.registry.find(ModelRef("nothing"))
    with pytest.raises(UnknownModelError, match="there is no model 'nothing'"):
        store.registry.versions("nothing")
    with pytest.raises(
        UnknownModelError,
        match="there is no first/99; list the versions with 'segsweep models first'",
    ):
        store.registry.find(ModelRef("first", None, 99))


def test_artifacts_of_a_sweep_that_was_never_tracked_lie_with_the_others(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "mlartifacts"
    made, run = store.registry.trial_run("untracked", "demo", "t00000", artifact_root=root)
    client: Any = store.registry._client
    assert client.get_experiment(made).artifact_location == (root / "untracked").as_uri()
    assert run is None
    assert store.registry.trial_run("untracked", "demo", "t1", artifact_root=root) == (made, None)
