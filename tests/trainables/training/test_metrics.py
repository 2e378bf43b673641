from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.training.finite import NotFiniteError
from trainables.training.metrics import (
    IGNORE_INDEX,
    THRESHOLDS,
    ScoreSums,
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
    threshold_errors,
)

CPU = torch.device("cpu")
seeds = st.integers(0, 2**31)


def random_batch(seed: int, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Return logits [3, C, 6, 7] and masks [3, 6, 7] with a fifth of the pixels ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, classes, 6, 7, generator=generator) * 3
    masks = torch.randint(0, classes, (3, 6, 7), generator=generator)
    masks[torch.rand(3, 6, 7, generator=generator) < 0.2] = IGNORE_INDEX
    return logits, masks


@given(seeds, st.integers(1, 6))
@settings(max_examples=25)
def test_confusion_matrix_counts_pairs_one_by_one(seed: int, classes: int) -> None:
    logits, masks = random_batch(seed, classes)
    predictions = logits.argmax(1)
    expected = np.zeros((classes, classes), dtype=np.int64)
    pairs = zip(masks.flatten().tolist(), predictions.flatten().tolist(), strict=True)
    for true, predicted in pairs:
        if true != IGNORE_INDEX:
            expected[true, predicted] += 1
    matrix = confusion_matrix(predictions, masks, classes)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == expected.tolist()


@given(seeds)
@settings(max_examples=25)
def test_iou_is_intersection_over_union_of_pixel_sets(seed: int) -> None:
    logits, masks = random_batch(seed)
    predictions, valid = logits.argmax(1), masks != IGNORE_INDEX
    expected = []
    for label in range(5):
        true, predicted = (masks == label) & valid, (predictions == label) & valid
        expected.append(float((true & predicted).sum()) / float((true | predicted).sum()))
    matrix = confusion_matrix(predictions, masks, 5)
    assert iou_per_class(matrix).tolist() == pytest.approx(expected, abs=1e-12)
    assert mean_iou(matrix) == pytest.approx(sum(expected) / 5, abs=1e-12)
    right = float(((predictions == masks) & valid).sum()) / float(valid.sum())
    assert pixel_accuracy(matrix) == pytest.approx(right, abs=1e-12)


def test_an_absent_class_does_not_enter_the_mean_and_a_wrongly_predicted_one_does() -> None:
    matrix = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 0]])
    iou = iou_per_class(matrix)
    assert iou[:2].tolist() == [0.75, 0.0]
    assert math.isnan(iou[2])
    assert mean_iou(matrix) == 0.375


def test_without_a_valid_pixel_every_score_is_nan() -> None:
    matrix = confusion_matrix(torch.zeros(4).long(), torch.full((4,), IGNORE_INDEX), 2)
    assert math.isnan(mean_iou(matrix))
    assert math.isnan(pixel_accuracy(matrix))


@pytest.mark.parametrize("label", [3, 4, 200])
def test_a_label_that_is_no_class_is_named(label: int) -> None:
    masks = torch.tensor([0, 1, label])
    with pytest.raises(ValueError, match=rf"label {label}; allowed are 0 to 2, and 255"):
        confusion_matrix(torch.zeros(3).long(), masks, 3)


def test_invalid_labels_in_the_sums_are_reported_with_their_number() -> None:
    sums = ScoreSums(3, CPU)
    sums.add(torch.zeros(1, 3, 1, 4), torch.tensor([[[0, 3, 200, IGNORE_INDEX]]]), torch.zeros(()))
    assert int(sums.matrix.sum()) == 1
    with pytest.raises(
        ValueError, match=r"2 pixel\(s\) of the masks have another label than 0 to 2"
    ):
        sums.require_finite(sums.packed())


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"the same shape, got \(2,\) and \(3,\)"):
        confusion_matrix(torch.zeros(2).long(), torch.zeros(3).long(), 2)


@given(seeds)
@settings(max_examples=25)
def test_threshold_errors_follow_their_definition(seed: int) -> None:
    logits, masks = random_batch(seed)
    probabilities = logits.softmax(1)
    valid = masks != IGNORE_INDEX
    one_hot = torch.nn.functional.one_hot(masks.where(valid, 0), 5).permute(0, 3, 1, 2)
    errors = threshold_errors(probabilities, masks)
    for threshold, error in zip(THRESHOLDS, errors.tolist(), strict=True):
        maps = (probabilities > threshold).long()
        assert error == int((maps - one_hot).abs().sum(1)[valid].sum())


def test_mae_of_a_sure_and_right_model_is_0_of_a_sure_and_wrong_one_1() -> None:
    masks = torch.zeros(1, 2, 2, dtype=torch.long)
    sure = torch.tensor([50.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    for logits, expected in ((sure, 0.0), (-sure, 1.0), (sure * 0, 0.5)):
        sums = ScoreSums(2, CPU, with_thresholds=True)
        sums.add(logits, masks, torch.zeros(()))
        scores = sums.scores(sums.packed())
        assert (scores.mae_50, scores.mae_50_95) == (expected, expected)


def test_a_pixel_whose_probabilities_are_nan_is_wrong_at_every_threshold() -> None:
    masks = torch.tensor([[[0, 0], [1, IGNORE_INDEX]]])
    probabilities = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).repeat(1, 1, 2, 2)
    probabilities[0, 1, 0, 1] = math.nan  # of the wrong class alone
    probabilities[0, :, 1, 1] = math.nan  # ignored
    # pixel by pixel: right; NaN; wrong; ignored. In half units.
    assert threshold_errors(probabilities, masks).tolist() == [0 + 2 + 2] * len(THRESHOLDS)
    everything = torch.full_like(probabilities, math.nan)
    assert threshold_errors(everything, masks).tolist() == [3 * 2] * len(THRESHOLDS)


def test_a_diverged_network_has_the_worst_mae_and_no_finite_scores() -> None:
    logits, masks = torch.full((1, 3, 4, 4), math.nan), torch.zeros(1, 4, 4, dtype=torch.long)
    sums = ScoreSums(3, CPU, with_thresholds=True)
    sums.add(logits, masks, torch.tensor(math.nan))
    packed = sums.packed()
    assert (sums.scores(packed).mae_50, sums.scores(packed).mae_50_95) == (1.0, 1.0)
    with pytest.raises(NotFiniteError, match="loss is nan"):
        sums.require_finite(packed)


def test_sums_of_parts_give_the_scores_of_the_whole() -> None:
    logits, masks = random_batch(3)
    whole = ScoreSums(5, CPU, with_thresholds=True)
    whole.add(logits, masks, torch.tensor(6.0))
    parts = [whole.empty() for _ in range(3)]
    for index, part in enumerate(parts):
        part.add(logits[index : index + 1], masks[index : index + 1], torch.tensor(2.0))
    added = whole.scores(sum((part.packed() for part in parts), torch.zeros(1)))
    expected = whole.scores(whole.packed())
    assert torch.equal(added.matrix, expected.matrix)
    assert added.loss == pytest.approx(expected.loss)
    assert (added.mae_50, added.mae_50_95) == (expected.mae_50, expected.mae_50_95)
    merged = whole.empty()
    for part in parts:
        merged.merge(part)
    assert torch.equal(merged.packed(), whole.packed())


def test_mae_is_nan_where_it_was_not_asked_for() -> None:
    logits, masks = random_batch(1)
    sums = ScoreSums(5, CPU)
    sums.add(logits, masks, torch.tensor(1.0))
    assert math.isnan(sums.scores(sums.packed()).mae_50)


@pytest.mark.slow  # torchmetrics takes seconds to import
@pytest.mark.parametrize("classes", [2, 5, 19])
def test_agrees_with_torchmetrics(classes: int) -> None:
    from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

    reference = MulticlassConfusionMatrix(classes, ignore_index=IGNORE_INDEX)
    jaccard = MulticlassJaccardIndex(classes, average="none", ignore_index=IGNORE_INDEX)
    total = torch.zeros(classes, classes, dtype=torch.int64)
    for seed in range(4):
        logits, masks = random_batch(seed, classes)
        predictions = logits.argmax(1)
        reference.update(predictions, masks)
        jaccard.update(predictions, masks)
        total += confusion_matrix(predictions, masks, classes)
    assert torch.equal(total, reference.compute())
    expected = jaccard.compute().double()
    assert torch.allclose(iou_per_class(total), expected, atol=1e-6)
    assert mean_iou(total) == pytest.approx(float(expected.mean()), abs=1e-6)
