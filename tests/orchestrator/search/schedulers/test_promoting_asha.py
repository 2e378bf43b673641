from __future__ import annotations

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.search.schedulers.base import CONTINUE
from orchestrator.search.schedulers.promoting_asha import PromotingAsha
from orchestrator.search.schedulers.ranking import Ranking
from orchestrator.spec.objectives import Objective

OBJECTIVES = (Objective("loss", "minimize"),)


def asha() -> PromotingAsha:
    ranking = Ranking(OBJECTIVES, max_epochs=9)
    return PromotingAsha(OBJECTIVES, (1, 3), ranking=ranking, reduction_factor=2)


def report(scheduler: PromotingAsha, trial_id: str, loss: float, epoch: int = 1) -> str:
    if epoch == 1:
        scheduler.observe(TrialAsked(trial_id=trial_id, number=0, config={}))
    scheduler.observe(TrialStarted(trial_id=trial_id))
    scheduler.observe(EpochReported(trial_id=trial_id, epoch=epoch, metrics={"loss": loss}))
    return scheduler.decide(trial_id).action


def test_a_trial_is_paused_until_it_is_in_the_top_share() -> None:
    scheduler = asha()
    assert report(scheduler, "a", 1.0) == "pause"
    assert scheduler.promote() is None
    assert report(scheduler, "b", 2.0) == "pause"
    assert scheduler.promote() == "a"


def test_a_trial_in_the_top_share_on_arrival_continues() -> None:
    scheduler = asha()
    report(scheduler, "a", 1.0)
    assert report(scheduler, "b", 0.5) == "continue"
    assert scheduler.promote() is None


def test_a_trial_is_promoted_once_and_the_highest_rung_first() -> None:
    scheduler = asha()
    for name, loss in (("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 0.4)):
        report(scheduler, name, loss)
    assert scheduler.promote() == "a"
    report(scheduler, "a", 0.1, epoch=3)
    assert scheduler.promote() == "b"
    report(scheduler, "b", 0.2, epoch=3)
    assert scheduler.promote() == "a"


def test_an_ended_trial_is_not_promoted() -> None:
    scheduler = asha()
    report(scheduler, "a", 1.0)
    report(scheduler, "b", 2.0)
    scheduler.observe(TrialEnded(trial_id="a", state="failed"))
    assert scheduler.promote() is None
    assert scheduler.decide("a") == CONTINUE


def test_a_preempted_trial_stays_paused() -> None:
    scheduler = asha()
    report(scheduler, "a", 1.0)
    report(scheduler, "b", 2.0)
    scheduler.observe(TrialEnded(trial_id="a", state="preempted"))
    assert scheduler.promote() == "a"
