from __future__ import annotations

import os
import signal

import pytest

from orchestrator.cli.shared.stop_signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_requests_a_stop_and_the_second_raises(number: signal.Signals) -> None:
    messages: list[str] = []
    before = signal.getsignal(number)
    with StopSignals(messages.append) as signals:
        assert not signals.asked()
        os.kill(os.getpid(), number)
        assert signals.asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert len(messages) == 1
    assert signal.getsignal(number) is before


def test_a_duplicate_sigterm_within_the_window_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StopSignals(lambda _: None) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.asked()
        monkeypatch.setattr("orchestrator.cli.shared.stop_signals.DUPLICATE_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_arm_replaces_the_handlers_of_a_library() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals(lambda _: None) as signals:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signals.arm()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.asked()
    assert signal.getsignal(signal.SIGTERM) is before
