"""Paired comparisons of the models that papers make claims about, sequence by sequence.

`python -m physbench_baselines.releasing.pairs SUMS` evaluates the models that come with the package, keeps what each
sequence contributes in the folder SUMS, and writes the differences to pairs.json beside the cards. If it is killed, the
same command resumes at the model where it was. A difference is computed again when one of the models has new weights.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from physbench import registry
from physbench.compare import compare_figure, require_same_questions
from physbench.errors import TrainingError
from physbench.evaluation.evaluate import Extent
from physbench.metrics.bootstrap import Interval
from physbench.result import ScoredRun, load_run
from physbench.suites import SIZES, SUITES
from physbench_baselines.model_card import Card
from physbench_baselines.releasing.cards import cards
from physbench_baselines.releasing.claims import CLAIMS, Claim
from physbench_baselines.releasing.repeat import find_repeats
from physbench_baselines.releasing.scoring_options import FOLDER, USUAL, Scoring, run_scoring, scoring_options
from physbench_baselines.releasing.trainings import LEAST
from physbench_baselines.training.folder import Folder

FILE = "pairs.json"
DIGITS = 16
"""How many digits of a SHA-256 tell weights apart here."""


@dataclass(frozen=True)
class Pair:
    """The difference between the models of a claim on the same sequences: the figure of `better` minus that of `worse`.

    The claim says which model is called the better one, not the figures.
    """

    suite: str
    version: int
    size: str
    task: str
    metric: str
    better: str
    worse: str
    better_weights: str | None  # the first digits of their SHA-256; None for a row that has none
    worse_weights: str | None
    value: float
    low: float
    high: float

    def is_about(self, claim: Claim) -> bool:
        """Say whether this is the difference that a claim is about."""
        return (self.better, self.worse, (self.suite, self.task, self.metric)) == (
            claim.better,
            claim.worse,
            claim.place,
        )

    def is_current(self, trained: Mapping[str, Card]) -> bool:
        """Say whether the suite and the weights of both models are still the same."""
        weights = [_weights_of(name, trained) for name in (self.better, self.worse)]
        return self.version == SUITES[self.suite].version and weights == [self.better_weights, self.worse_weights]


def find_differences(trained: Mapping[str, Card], folder: Path = FOLDER) -> dict[Claim, Interval]:
    """Return the differences that were measured on whole suites and are current, by their claims."""
    pairs = [pair for pair in read_pairs(folder) if pair.size in SIZES and pair.is_current(trained)]
    return {
        claim: Interval(pair.value, pair.low, pair.high) for claim in CLAIMS for pair in pairs if pair.is_about(claim)
    }


def measure_pairs(
    sums: Path,
    *,
    folder: Path = FOLDER,
    suites: Sequence[str] | None = None,
    how: Scoring = USUAL,
) -> list[Pair]:
    """Compare the models of every claim that has no current pair in the folder yet, and return all pairs.

    sums: the folder for what each sequence contributes. suites: by default all that the claims are about. A claim is
    left out if one of its models does not come along, or if both were trained so often that their trainings decide.
    """
    if not folder.is_dir():
        raise TrainingError(f"there is no folder {folder}: make it first")
    sums.mkdir(parents=True, exist_ok=True)
    trained, known = cards(), registry.models.names()
    pairs = [pair for pair in read_pairs(folder) if pair.is_current(trained)]
    for claim in CLAIMS:
        suite, names = claim.place[0], (claim.better, claim.worse)
        if not all(name in known for name in names) or (suites is not None and suite not in suites):
            continue
        if all(1 + len(find_repeats(name)) >= LEAST for name in names):
            continue
        asked = how.extent(suite)
        if any(pair.is_about(claim) and pair.size == asked.size for pair in pairs):
            continue
        runs: dict[str, ScoredRun] = {}
        for name in names:
            place = sums / f"{name}.{suite}.npz"
            run = _find_run(place, asked, _weights_of(name, trained))
            if run is None:
                how.doing(f"{name}: {suite}, {asked.size}")
                how.result_of(name, suite, name=name).save_sums(place)
                run = load_run(place)
            runs[name] = run
        require_same_questions(runs[claim.better], runs[claim.worse])
        found = compare_figure(runs[claim.better], runs[claim.worse], *claim.place[1:]).difference
        pair = Pair(
            suite,
            asked.suite.version,
            asked.size,
            *claim.place[1:],
            claim.better,
            claim.worse,
            _weights_of(claim.better, trained),
            _weights_of(claim.worse, trained),
            *(float(f"{number:.6g}") for number in (found.value, found.low, found.high)),
        )
        pairs = [*(each for each in pairs if not each.is_about(claim)), pair]
        _write(pairs, folder)
    return pairs


def read_pairs(folder: Path = FOLDER) -> list[Pair]:
    """Read the pairs of a folder; there are none if it has no file of them."""
    place = folder / FILE
    if not place.is_file():
        return []
    try:
        return [Pair(**row) for row in json.loads(place.read_text(encoding="utf-8"))]
    except (ValueError, TypeError):
        raise TrainingError(f"{place} does not hold pairs of models: put it back, or delete it") from None


def _write(pairs: Iterable[Pair], folder: Path) -> None:
    lines = ",\n".join(json.dumps(asdict(pair), allow_nan=False) for pair in pairs)
    Folder(folder).write(FILE, f"[\n{lines}\n]\n")


def _find_run(place: Path, asked: Extent, weights: str | None) -> ScoredRun | None:
    """Read the sums that an evaluation of the same sequences with the same weights has left; None if there are none."""
    if not place.is_file():
        return None
    run = load_run(place)
    told = run.provenance
    there = told["suite_version"], told["size"], _shorten(told.get("weights_sha256"))
    return run if there == (asked.suite.version, asked.size, weights) else None


def _weights_of(name: str, trained: Mapping[str, Card]) -> str | None:
    return _shorten(trained[name].weights_sha256) if name in trained else None


def _shorten(sha256: str | None) -> str | None:
    return sha256[:DIGITS] if sha256 else None


@click.command(help=__doc__)
@click.argument("sums", type=click.Path(path_type=Path))
@scoring_options("Folder of pairs.json; by default in the package.")
def main(sums: Path, **settings: Any) -> None:
    """Run the command."""
    pairs = run_scoring(measure_pairs, sums, **settings)
    for pair in pairs:
        click.echo(
            f"{pair.better} - {pair.worse}, {pair.metric} on {pair.task}: {pair.value:.4f} [{pair.low:.4f},"
            f" {pair.high:.4f}]"
        )


if __name__ == "__main__":
    main()
