from __future__ import annotations

from trainables.lane.preemption import PreemptionNotices


class Cluster:
    """Answers polls; counts them and the reports."""

    def __init__(self) -> None:
        self.noticed = False
        self.polls = self.reports = 0
        self.now = 0.0

    def is_noticed(self) -> bool:
        self.polls += 1
        return self.noticed

    def report(self) -> None:
        self.reports += 1


def notices_of(cluster: Cluster) -> PreemptionNotices:
    return PreemptionNotices(cluster.is_noticed, cluster.report, clock=lambda: cluster.now)


def test_a_poll_is_due_every_two_seconds() -> None:
    cluster = Cluster()
    notices = notices_of(cluster)
    cluster.now = 1.9
    assert not notices.is_due()
    cluster.now = 2.0
    assert notices.is_due()
    notices.poll()
    assert not notices.is_due()
    assert (cluster.polls, cluster.reports, notices.received) == (1, 0, False)


def test_a_notice_is_reported_once_and_ends_the_polling() -> None:
    cluster = Cluster()
    notices = notices_of(cluster)
    cluster.noticed = True
    notices.poll()
    notices.poll()
    cluster.now = 99.0
    assert not notices.is_due()
    assert (cluster.polls, cluster.reports, notices.received) == (1, 1, True)
