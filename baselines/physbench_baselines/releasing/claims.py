"""Claims of papers that one model is better than another, checked with the models that come with the package.

Each of these models was trained as its card says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from physbench.metrics.bootstrap import Interval
from physbench.metrics.catalogue import find
from physbench_baselines.model_card import Card, Repeat
from physbench_baselines.releasing.bars import GROUPS, Place, Row, Rows, find_score, interval_of
from physbench_baselines.releasing.cards import format_figure, format_table
from physbench_baselines.releasing.trainings import judge_trainings, list_values
from physbench_baselines.training_stages import total

R_NEM = "[R-NEM, 2018](https://arxiv.org/abs/1802.10353)"
R_SQAIR = "[R-SQAIR, 2019](https://arxiv.org/abs/1910.05231)"
RMR = "[RMR, 2021](https://arxiv.org/abs/2107.08881)"
IODINE = "[IODINE, 2019](https://arxiv.org/abs/1903.00450)"


NO_MEMORY = "the best without memory"
"""What `permanence_bce` is measured against, so that its figure is 1."""


@dataclass(frozen=True)
class Claim:
    """A claim of a paper: one model is better than another."""

    paper: str
    better: str
    worse: str
    place: Place


_BALLS = ("relative_bce", "relative_relational_bce")
_DEGRADES: Place = ("extrapolation", "balls678mass64:balls4mass64", "relative_bce_ratio")
_ROLLOUT: Place = ("simulation", "balls4mass64/rollout-5+10", "rollout_relative_bce")
_INVADERS: Place = ("invaders", "invaders84", "relative_bce")

_CROP = "balls4mass64-crop50"
_LAST = "/rollout-9+1"

CLAIMS = (
    *(
        Claim(R_NEM, "r-nem", other, (suite, task, metric))
        for suite, task in (("balls", "balls4mass64"), ("extrapolation", "balls678mass64"))
        for metric in _BALLS
        for other in ("rnn", "lstm", "rnn-em")
    ),
    *(Claim(R_NEM, better, "lstm", _DEGRADES) for better in ("r-nem", "rnn-em")),
    Claim(R_NEM, "r-nem", "r-nem.k5", ("balls", "balls4mass64", "relative_bce")),
    Claim(R_NEM, "r-nem", "r-nem-no-attention", ("extrapolation", "balls678mass64", "relative_bce")),
    *(Claim(R_NEM, "r-nem", other, _ROLLOUT) for other in ("rnn", "rnn-em")),
    Claim(R_NEM, "r-nem.balls3curtain64", NO_MEMORY, ("curtain", "balls3curtain64", "permanence_bce")),
    *(Claim(R_NEM, "r-nem.invaders84", other, _INVADERS) for other in ("rnn.invaders84", "lstm.invaders84")),
    *(
        Claim(R_SQAIR, f"{relation}.{_CROP}", f"sqair.{_CROP}", ("crop50", f"{dataset}{_LAST}", metric))
        for relation in ("r-sqair-in", "r-sqair-rmc")
        for dataset, metric in (
            (_CROP, "log_likelihood"),
            (_CROP, "relational_log_likelihood"),
            ("balls678mass64-crop50", "relational_log_likelihood"),
        )
    ),
    *(
        Claim(RMR, better, worse, ("ram", "invaders-ram", "slot_accuracy"))
        for better, worse in (
            ("rmr-ram-mlp.invaders-ram", "copy"),
            ("rmr-ram-deep-sets.invaders-ram", "rmr-ram-mlp.invaders-ram"),
            ("rmr-ram-mpnn.invaders-ram", "rmr-ram-deep-sets.invaders-ram"),
        )
    ),
    Claim(RMR, "rmr-pixels.balls10-colour", "rmr-pixels-end-to-end", ("pixels", "balls10-colour", "pixel_mse")),
    Claim(RMR, "rmr-contrastive.invaders84", "cswm.invaders84", ("probe", "invaders84", "probe_bit_f1")),
    *(
        Claim(IODINE, f"iodine.{name}", f"r-nem.{name}", (f"segmentation-{name}", name, "ari"))
        for name in ("shapes", "multi-dsprites-binary")
    ),
)


def judge(claim: Claim, better: Row | None, worse: Row | None, difference: Interval | None = None) -> str:
    """Say whether a claim holds here.

    The interval of the difference decides, if it was measured; otherwise the two intervals do if they do not overlap.
    """
    if better is None or worse is None or better["value"] is None or worse["value"] is None:
        return "not measured"
    if difference is None:
        ours, theirs = interval_of(better), interval_of(worse)
        difference = Interval(better["value"] - worse["value"], ours[0] - theirs[1], ours[1] - theirs[0])
    if difference.low <= 0 <= difference.high:
        return "cannot tell"
    return "holds" if (difference.value < 0) == (find(claim.place[2]).better == "lower") else "reversed"


def format_claims(
    rows: Rows,
    trainings: Mapping[str, Sequence[Card | Repeat]] | None = None,
    differences: Mapping[Claim, Interval] | None = None,
) -> str:
    """Write a table of all claims.

    trainings: all trainings of each model. If both models of a claim have enough of them, these decide, and not the
    intervals of a single training. differences: the figure of the model that a claim calls better minus that of the
    other, where that was measured sequence by sequence.
    """
    return format_table(
        [
            ["paper", "says of", "that it beats", "by", "here", "difference", "trained on sequences", "verdict"],
            *_lines(rows, trainings or {}, differences or {}),
        ]
    )


def _lines(
    rows: Rows, trainings: Mapping[str, Sequence[Card | Repeat]], differences: Mapping[Claim, Interval]
) -> Iterator[list[str]]:
    everybody = {name: scores for group in GROUPS for name, scores in rows[group].items()}
    for claim in CLAIMS:
        better, worse = (find_score(everybody.get(name, ()), *claim.place) for name in (claim.better, claim.worse))
        if claim.worse == NO_MEMORY:
            worse = {"value": 1.0, "low": None, "high": None}
        _, task, metric = claim.place
        figures = f"{format_figure(better)} against {format_figure(worse)}"
        difference = differences.get(claim)
        if better and claim.worse == NO_MEMORY:
            difference = Interval(*(better[end] - 1 for end in ("value", "low", "high")))
        verdict = judge(claim, better, worse, difference)
        ours, theirs = (list_values(trainings.get(name, ()), claim.place) for name in (claim.better, claim.worse))
        if told := judge_trainings(ours, theirs, metric):
            figures, difference, verdict = f"{_join(ours)} against {_join(theirs)}", None, told
        learnt = " against ".join(_count_sequences(trainings.get(name, ())) for name in (claim.better, claim.worse))
        by = f"`{metric}` on `{task}`"
        yield [
            claim.paper,
            claim.better,
            claim.worse,
            by,
            figures,
            _format_difference(difference),
            learnt,
            f"**{verdict}**",
        ]


def _count_sequences(trainings: Sequence[Card | Repeat]) -> str:
    """Write how many sequences the first training of a model saw, with all of its stages; a row of no learning none."""
    return f"{total(vars(trainings[0]), 'sequences'):,}" if trainings else "-"


def _format_difference(difference: Interval | None) -> str:
    return f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]" if difference else "-"


def _join(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
