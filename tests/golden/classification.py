"""Writes what scikit-learn says of a few classifiers' answers: `classification.json`. `tests/classification.rs` compares.

    python -m venv golden && golden/bin/pip install -r tests/golden/classification_requirements.txt
    golden/bin/python tests/golden/classification.py

Calibration is not part of scikit-learn: `calibration` repeats the published loop of Guo et al. (`ECELoss` of
github.com/gpleiss/temperature_scaling): bins are open on the left and closed on the right.
"""

import json
import pathlib
import warnings

import numpy as np
from scipy.special import log_softmax, logsumexp
from sklearn import metrics

HERE = pathlib.Path(__file__).resolve().parent


def numbers(values):
    """NaN becomes null."""
    return [None if np.isnan(value) else float(value) for value in values]


def calibration(confidences, correct, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    ece, mce = 0.0, 0.0
    for lower, upper in zip(edges[:-1], edges[1:]):
        inside = (confidences > lower) & (confidences <= upper)
        if inside.any():
            gap = abs(correct[inside].mean() - confidences[inside].mean())
            ece += gap * inside.mean()
            mce = max(mce, gap)
    return {"ece": float(ece), "mce": float(mce)}


def log_odds(logits, c):
    """Orders samples as the probability of class `c` does, also where that rounds to 1."""
    return logits[:, c] - logsumexp(np.delete(logits, c, axis=1), axis=1)


def case(name, labels, logits):
    """`logits` are rounded so that they are the same in 32 bits and in the file."""
    labels = np.asarray(labels)
    logits = np.round(np.asarray(logits) * 64) / 64
    classes = list(range(logits.shape[1]))
    answers = logits.argmax(axis=1)
    log_p = log_softmax(logits, axis=1)
    p = np.exp(log_p)
    of = lambda average, zero_division, labels_=None: metrics.precision_recall_fscore_support(
        labels, answers, average=average, zero_division=zero_division, labels=labels_
    )
    precision, recall, f1, support = of(None, np.nan, classes)
    losses = [
        -log_p[labels == c, c].mean() if (labels == c).any() else float("nan") for c in classes
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ap = [
            metrics.average_precision_score(labels == c, log_odds(logits, c))
            if (labels == c).any()
            else float("nan")
            for c in classes
        ]
        # It refuses two classes, of which one is always right.
        top_2 = 1 if len(classes) == 2 else metrics.top_k_accuracy_score(labels, p, k=2, labels=classes)
    return {
        "name": name,
        "labels": labels.tolist(),
        "logits": logits.tolist(),
        "confusion": metrics.confusion_matrix(labels, answers, labels=classes).tolist(),
        "normalized": metrics.confusion_matrix(labels, answers, labels=classes, normalize="true").tolist(),
        "precision": numbers(precision),
        "recall": numbers(recall),
        "f1": numbers(f1),
        "support": support.tolist(),
        # Without `labels`: the classes that are a truth or an answer, as in `classification_report`.
        "macro_zero": numbers(of("macro", 0)[:3]),
        "weighted_zero": numbers(of("weighted", 0)[:3]),
        "macro_skip": numbers(of("macro", np.nan, classes)[:3]),
        "weighted_skip": numbers(of("weighted", np.nan, classes)[:3]),
        "accuracy": float(metrics.accuracy_score(labels, answers)),
        "top_2": float(top_2),
        "losses": numbers(losses),
        "loss": float(metrics.log_loss(labels, p, labels=classes)),
        "average_precision": numbers(ap),
        **calibration(p.max(axis=1), answers == labels),
    }


def main():
    random = np.random.default_rng(5)
    cases = []
    labels = random.integers(0, 4, 60)
    logits = random.normal(size=(60, 4)) + 1.5 * np.eye(4)[labels]
    cases.append(case("four classes", labels, logits))

    # Class 3 has no sample but is an answer, class 4 has samples but is no answer, class 5 is neither.
    labels = random.choice([0, 1, 2, 4], 40)
    logits = random.normal(size=(40, 6)) + 2 * np.eye(6)[labels] + np.array([0, 0, 0, 1.5, -9, -12])
    cases.append(case("empty classes", labels, logits))

    labels = random.integers(0, 3, 30)
    logits = random.normal(size=(30, 3)) * 0.1 + np.array([0, 6, 0])
    cases.append(case("one answer", labels, logits))

    labels = random.integers(0, 2, 200)
    logits = 8 * (random.normal(size=(200, 2)) + np.eye(2)[labels])
    cases.append(case("overconfident", labels, logits))
    (HERE / "classification.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


main()
