from __future__ import annotations

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.search.schedulers.asha import PromotingAsha, StoppingAsha
from orchestrator.search.schedulers.base import CONTINUE
from orchestrator.search.schedulers.rungs import WINDOW, Ranking
from orchestrator.spec.objectives import Objective

OBJECTIVES = (Objective("loss", "minimize"),)


def asha(final_share: float = 0.0) -> StoppingAsha:
    ranking = Ranking(OBJECTIVES, max_epochs=9)
    return StoppingAsha(
        OBJECTIVES, (1, 3), ranking=ranking, reduction_factor=3, final_share=final_share
    )


def report(scheduler: StoppingAsha, number: int, loss: float, epoch: int = 1) -> str:
    trial_id = f"t{number}"
    if epoch == 1:
        scheduler.observe(TrialAsked(trial_id=trial_id, number=number, config={}))
    scheduler.observe(EpochReported(trial_id=trial_id, epoch=epoch, metrics={"loss": loss}))
    return trial_id


def test_the_first_trial_of_a_rung_continues() -> None:
    scheduler = asha()
    assert scheduler.decide(report(scheduler, 0, 1.0)).action == "continue"


def test_one_of_three_trials_continues_at_a_rung() -> None:
    scheduler = asha()
    actions = [scheduler.decide(report(scheduler, n, float(n))).action for n in range(6)]
    assert actions == ["continue", *["stop"] * 5]
    better = scheduler.decide(report(scheduler, 6, -1.0))
    assert (better.action, better.rung, better.rank, better.of) == ("continue", 1, 1, 7)
    assert better.reason == "continued at rung 1: rank 1 of 7, among the best 3"


def test_between_rungs_every_trial_continues() -> None:
    scheduler = asha()
    trial_id = report(scheduler, 0, 1.0)
    report(scheduler, 0, 9.0, epoch=2)
    assert scheduler.decide(trial_id) == CONTINUE


def test_the_best_epoch_of_a_trial_counts() -> None:
    scheduler = asha()
    report(scheduler, 0, 0.5)
    report(scheduler, 0, 0.5, epoch=3)
    trial_id = report(scheduler, 1, 0.1)
    report(scheduler, 1, 0.9, epoch=3)
    assert scheduler.decide(trial_id).rank == 1


def test_the_share_grows_to_the_final_one_once_the_window_is_full() -> None:
    scheduler = asha(final_share=0.5)
    for number in range(WINDOW):
        report(scheduler, number, float(number))
    passing = WINDOW // 3
    before = scheduler.decide(f"t{passing}")
    assert (before.action, before.rank) == ("stop", passing + 1)
    for number in range(WINDOW, 3 * WINDOW):
        report(scheduler, number, float(number % WINDOW))
    after = scheduler.decide(f"t{2 * WINDOW + passing}")
    assert (after.action, after.rank, after.of) == ("continue", passing + 1, WINDOW)
    assert after.reason.endswith(f"among the best {WINDOW // 2}")


def test_no_trial_is_promoted() -> None:
    assert asha().promote() is None


def promoting_asha() -> PromotingAsha:
    ranking = Ranking(OBJECTIVES, max_epochs=9)
    return PromotingAsha(OBJECTIVES, (1, 3), ranking=ranking, reduction_factor=2)


def report_promoting(scheduler: PromotingAsha, trial_id: str, loss: float, epoch: int = 1) -> str:
    if epoch == 1:
        scheduler.observe(TrialAsked(trial_id=trial_id, number=0, config={}))
    scheduler.observe(TrialStarted(trial_id=trial_id))
    scheduler.observe(EpochReported(trial_id=trial_id, epoch=epoch, metrics={"loss": loss}))
    return scheduler.decide(trial_id).action


def test_a_trial_is_paused_until_it_is_in_the_top_share() -> None:
    scheduler = promoting_asha()
    assert report_promoting(scheduler, "a", 1.0) == "pause"
    assert scheduler.promote() is None
    assert report_promoting(scheduler, "b", 2.0) == "pause"
    assert scheduler.promote() == "a"


def test_a_trial_in_the_top_share_on_arrival_continues() -> None:
    scheduler = promoting_asha()
    report_promoting(scheduler, "a", 1.0)
    assert report_promoting(scheduler, "b", 0.5) == "continue"
    assert scheduler.promote() is None


def test_a_trial_is_promoted_once_and_the_highest_rung_first() -> None:
    scheduler = promoting_asha()
    for name, loss in (("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 0.4)):
        report_promoting(scheduler, name, loss)
    assert scheduler.promote() == "a"
    report_promoting(scheduler, "a", 0.1, epoch=3)
    assert scheduler.promote() == "b"
    report_promoting(scheduler, "b", 0.2, epoch=3)
    assert scheduler.promote() == "a"


def test_an_ended_trial_is_not_promoted() -> None:
    scheduler = promoting_asha()
    report_promoting(scheduler, "a", 1.0)
    report_promoting(scheduler, "b", 2.0)
    scheduler.observe(TrialEnded(trial_id="a", state="failed"))
    assert scheduler.promote() is None
    assert scheduler.decide("a") == CONTINUE


def test_a_preempted_trial_stays_paused() -> None:
    scheduler = promoting_asha()
    report_promoting(scheduler, "a", 1.0)
    report_promoting(scheduler, "b", 2.0)
    scheduler.observe(TrialEnded(trial_id="a", state="preempted"))
    assert scheduler.promote() == "a"
