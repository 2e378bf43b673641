import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.masks.labels import IGNORE, LabelMap

RAWS = st.integers(0, 255)


@settings(deadline=None, max_examples=50)
@given(
    train_ids=st.dictionaries(RAWS, st.integers(0, 18)),
    ignored=st.sets(RAWS),
    mask=st.lists(RAWS, min_size=1),
)
def test_apply_maps_every_pixel_by_the_table(
    train_ids: dict[int, int], ignored: set[int], mask: list[int]
) -> None:
    labels = LabelMap.of(train_ids, ignored)
    mapped = labels.apply(np.array(mask, dtype=np.uint8))
    assert mapped.dtype == np.uint8
    assert mapped.tolist() == [train_ids.get(raw, IGNORE) for raw in mask]


@settings(deadline=None, max_examples=50)
@given(train_ids=st.dictionaries(RAWS, st.integers(0, 18)), ignored=st.sets(RAWS))
def test_values_of_no_class_that_are_not_ignored_are_unknown(
    train_ids: dict[int, int], ignored: set[int]
) -> None:
    labels = LabelMap.of(train_ids, ignored)
    counts = dict.fromkeys(range(300), 1)
    assert set(labels.unknown(counts)) == set(range(300)) - set(train_ids) - ignored
    assert set(labels.known()) == set(train_ids) | ignored


def test_16_bit_values_beyond_the_table_are_ignored_and_unknown() -> None:
    labels = LabelMap.of({0: 0})
    assert labels.apply(np.array([0, 256, 65535], dtype=np.uint16)).tolist() == [0, 255, 255]
    assert labels.unknown({0: 4, 256: 2}) == {256: 2}


def test_negative_ids_cannot_occur_and_are_left_out() -> None:
    assert LabelMap.of({7: 0}, ignored=[-1, 0]).known() == [0, 7]


def test_an_ignored_position_moves_the_later_classes_up() -> None:
    labels, names = LabelMap.positional(["void", "road", "sky"], ignore_index=0)
    assert names == ["road", "sky"]
    assert labels.apply(np.array([0, 1, 2], dtype=np.uint8)).tolist() == [IGNORE, 0, 1]


def test_an_ignored_value_beyond_the_names_leaves_them_in_place() -> None:
    labels, names = LabelMap.positional(["road", "sky"], ignore_index=11)
    assert names == ["road", "sky"]
    assert labels.known() == [0, 1, 11]
