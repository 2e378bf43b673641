from __future__ import annotations

import pytest

from trainables.session.local import LocalSession
from trainables.session.ranks import Ranks
from trainables.session.session import MetersEnergy
from trainables.training.energy import EnergyUse


class Metered(LocalSession):
    """A session whose device has used ``joules`` so far."""

    joules: float | None = 100.0

    def energy_joules(self) -> float | None:
        return self.joules


def test_the_difference_of_two_readings_is_what_was_used() -> None:
    session = Metered()
    with EnergyUse(session, Ranks(0, 1)) as energy:
        session.joules = 142.0
    assert energy.joules == 42.0
    assert energy.watts == pytest.approx(42.0 / energy.seconds)


def test_unknown_energy_stays_unknown() -> None:
    silent = Metered()
    silent.joules = None
    assert isinstance(silent, MetersEnergy)
    assert not isinstance(LocalSession(), MetersEnergy)
    for session in (silent, LocalSession()):
        with EnergyUse(session, Ranks(0, 1)) as energy:
            pass
        assert energy.joules is None
        assert energy.watts is None


def test_the_energy_of_a_body_that_raises_is_unknown() -> None:
    energy = EnergyUse(Metered(), Ranks(0, 1))
    with pytest.raises(KeyError), energy:
        raise KeyError
    assert energy.joules is None
    assert energy.seconds > 0
