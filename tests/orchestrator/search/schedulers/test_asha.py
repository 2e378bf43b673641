from __future__ import annotations

from orchestrator.ledger.events import EpochReported, TrialAsked
from orchestrator.search.schedulers.asha import StoppingAsha
from orchestrator.search.schedulers.base import CONTINUE
from orchestrator.search.schedulers.ranking import Ranking
from orchestrator.search.schedulers.rungs import WINDOW
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
