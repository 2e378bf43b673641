from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainables.data.masks.labels import IGNORE
from trainables.incremental.relabelled import label_table

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)


@given(NAMES, NAMES)
def test_labels_go_by_name_and_all_others_are_ignored(have: list[str], wanted: list[str]) -> None:
    table = label_table(have, wanted).tolist()
    assert len(table) == 256
    for label, found in enumerate(table):
        if label < len(have) and have[label] in wanted:
            assert wanted[found] == have[label]
        else:
            assert found == IGNORE


def test_the_same_names_keep_their_labels() -> None:
    assert label_table("abc", "abc").tolist()[:4] == [0, 1, 2, IGNORE]
