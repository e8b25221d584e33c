"""Simulated fMRI (BOLD) of known graphs: Sanchez-Romero et al., Network Neuroscience 2019."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from sklearn.metrics import roc_auc_score

import curbd
from benchmarks.independent import pairs
from benchmarks.independent.answers import Answer, Role
from benchmarks.independent.networks import MODELS, fitted, matrix, session, training_rates

Array = np.ndarray
LINKS = "existing links, AUROC"
DIRECTION = "direction of one-way links, share right"
PRECISION, RECALL = "claimed links, precision", "claimed links, recall"
COLUMNS = ("skewed_effect", "cumulant_effect", "response_effect")
CLAIMED = "resolved, or supported by skewness"
ALL_GRAPHS = "all graphs"
DEFAULT = "one_step (default)"
SETTINGS: dict[str, object] = {"units": {"min_per_region": 1}}


def answers(files: list[Path]) -> Iterator[Answer]:
    """Which links do networks and baselines find, and in which direction?"""
    judged = dict[str, list[tuple[int, int, int]]]()
    for path in files:
        recording = session(path, SETTINGS).recording
        regions = [str(name) for name in recording["region"].values]
        with h5py.File(path) as file:
            graph = file["known/graph"][:] > 0
        for name, model in MODELS.items():
            networks = fitted(recording, model)
            pathways = curbd.judge(recording, networks).query("source in @regions")
            yield from _scores(path.stem, name, "model", graph, matrix(pathways, "share", regions))
            resolved = matrix(pathways, "verdict", regions) == "resolved"
            if name == DEFAULT:
                for column in COLUMNS:
                    size = np.abs(np.nan_to_num(matrix(pathways, column, regions)))
                    yield from _scores(path.stem, f"column {column}", "model", graph, size)
                codes = matrix(pathways, "reason_codes", regions).astype(str)
                claimed = resolved | (np.char.find(codes, "shared_skewness") >= 0)
                judged.setdefault(CLAIMED, []).append(_counts(claimed, graph))
            judged.setdefault(f"{name}: resolved", []).append(_counts(resolved, graph))
        r = training_rates(recording)
        # Subjects differ in mean and variance, which would add to the skewness.
        r = (r - r.mean(1, keepdims=True)) / r.std(1, keepdims=True)
        partial, skewed = np.abs(pairs.partial_correlation(r)), pairs.skewness_direction(r)
        for name, measure in {
            "VAR(1) ridge": np.abs(pairs.autoregression(r)),
            "lagged regression": pairs.lagged_regression(r),
            "partial correlation": partial,
            "skewness": skewed,
            "partial correlation times skewness": partial * np.maximum(skewed, 0),
        }.items():
            yield from _scores(path.stem, name, "baseline", graph, measure)
    for name, counts_of_cases in judged.items():
        true_resolved, resolved, real = np.sum(counts_of_cases, axis=0)
        yield Answer(PRECISION, ALL_GRAPHS, name, "model", true_resolved / resolved if resolved else np.nan)
        yield Answer(RECALL, ALL_GRAPHS, name, "model", true_resolved / real)


def _counts(claimed: Array, graph: Array) -> tuple[int, int, int]:
    """Numbers of links that are claimed and exist, that are claimed, and that exist."""
    different = ~np.eye(len(graph), dtype=bool)
    return int((claimed & graph & different).sum()), int((claimed & different).sum()), int((graph & different).sum())


def _scores(case: str, method: str, role: Role, graph: Array, measure: Array) -> Iterator[Answer]:
    """AUROC of a measure (target, source) for the links of a graph, and the share of one-way links that point right."""
    different = ~np.eye(len(graph), dtype=bool)
    one_way = graph & ~graph.T & different
    yield Answer(LINKS, case, method, role, float(roc_auc_score(graph[different], measure[different])))
    right = measure[one_way] > measure.T[one_way]
    # Measures without direction are the same both ways: chance.
    equal = np.isclose(measure[one_way], measure.T[one_way])
    yield Answer(DIRECTION, case, method, role, float(np.where(equal, 0.5, right).mean()))
