from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.telemetry.gpu_health import LOST_SAMPLES, THERMAL_SECONDS, judge
from cluster.telemetry.gpu_sample import GpuSample


def sample(at: float, **facts: object) -> GpuSample:
    return GpuSample(uuid="GPU-a", at=at, **facts)  # type: ignore[arg-type]


def test_a_gpu_without_reported_values_is_fit() -> None:
    assert judge("GPU-a", []).verdict == "fit"
    assert judge("GPU-a", [sample(0), sample(1)]).verdict == "fit"


def test_a_gpu_that_does_not_respond_is_suspect_and_then_sick() -> None:
    seen: list[GpuSample | None] = [sample(0)]
    for missing in range(1, LOST_SAMPLES + 1):
        health = judge("GPU-a", [*seen, *[None] * missing])
        assert health.verdict == ("sick" if missing == LOST_SAMPLES else "suspect")
    assert health.reason == f"lost: no response to {LOST_SAMPLES} samples"
    assert judge("GPU-a", [*seen, None, None, sample(9)]).verdict == "fit"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(0, 0, "fit"), (7, 7, "fit"), (0, 1, "sick"), (7, 9, "sick"), (None, None, "fit")],
)
def test_only_new_memory_errors_count(before: int | None, after: int | None, verdict: str) -> None:
    seen = [sample(0, ecc_uncorrected=before), sample(1, ecc_uncorrected=after)]
    assert judge("GPU-a", seen).verdict == verdict


def test_rows_with_pending_remapping_make_a_gpu_sick() -> None:
    health = judge("GPU-a", [sample(0, remap_pending=True)])
    assert health.verdict == "sick"
    assert "reset" in health.reason


@pytest.mark.parametrize(
    ("hot", "verdict"), [(0, "fit"), (THERMAL_SECONDS / 2, "suspect"), (THERMAL_SECONDS, "sick")]
)
def test_only_long_throttling_by_temperature_without_a_pause_is_sick(
    hot: float, verdict: str
) -> None:
    cool = sample(0, throttled_by=("sw_power_cap",))
    warm = [sample(10 + at, throttled_by=("hw_thermal",)) for at in (0.0, hot / 2, hot) if hot]
    assert judge("GPU-a", [cool, *warm]).verdict == verdict
    assert judge("GPU-a", [cool, *warm, sample(999, throttled_by=())]).verdict == "fit"


facts = st.fixed_dictionaries(
    {
        "ecc_uncorrected": st.one_of(st.none(), st.integers(0, 3)),
        "remap_pending": st.one_of(st.none(), st.booleans()),
        "throttled_by": st.one_of(st.none(), st.just(()), st.just(("sw_thermal",))),
    }
)


@given(st.lists(st.one_of(st.none(), facts), max_size=12))
def test_a_verdict_always_has_its_reason(values: list[dict[str, object] | None]) -> None:
    seen = [None if v is None else sample(30.0 * at, **v) for at, v in enumerate(values)]
    health = judge("GPU-a", seen)
    assert (health.verdict == "fit") == (health.reason == "")
    assert judge("GPU-a", seen) == health
