"""What an answer is worth: every number is computed here, from the answer and the truth. What a sequence contributes depends on nothing but that sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physbench.metrics.events import CLASSES, collisions_between, event_error
from physbench.metrics.grouping import adjusted_rand, ari, ari_video, contingency
from physbench.metrics.permanence import permanence_bce
from physbench.metrics.pixels import bce, clipped_share, copied, gaussian_log_likelihood, masked_sum, relational_bce
from physbench.metrics.positions import STEPS as POSITION_STEPS
from physbench.metrics.positions import rollout_position_error
from physbench.metrics.rollout import overlap, repeat_bce, rollout_bce, targets
from physbench.metrics.sums import Sums, last, mean, mean_where_defined, ratio, step
from physbench.model import Gaussian
from physbench.suites import Rollout, Still, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from physbench.evaluation.examples import Examples
    from physbench.evaluation.window import Answer
    from physbench.metrics.sums import Floats
    from physbench.model import Likelihood
    from physbench.suites import Asking

    Named = dict[str, Sums]  # metric -> (B, steps)

EVENT_STEPS = (5, 10, 30)
"""The steps ahead at which errors are told apart by collisions."""

NOT_ALSO_LAST = ("ari_video", "clipped_share")


def worth(asking: Asking, answer: Answer, examples: Examples, likelihood: Likelihood, *, rates: Sequence[float] | None = None) -> Named:
    """Every figure that the answer and the truth allow; the others are absent.

    rates: of `memoryless_rates`, over all sequences of the evaluation; without them there is no permanence_bce.
    """
    match asking:
        case Window():
            return _one_step(answer, examples, asking.frames, likelihood, rates)
        case Still():
            return _still(answer, examples, asking)
        case Rollout(samples=1):
            return _rolled_out(answer, examples, asking)
        case Rollout():
            return {f"{name}[{asking.sample + 1}]": sums for name, sums in _likelihood_of(answer, examples, asking, likelihood).items()}


def _one_step(answer: Answer, examples: Examples, steps: int, likelihood: Likelihood, rates: Sequence[float] | None) -> Named:
    """Each from every transition, and from the last one alone."""
    frames, means = examples.frames[:, :steps], answer.means
    assert means is not None
    ours, theirs = bce(frames, means), bce(frames, copied(frames))
    figures = {"bce": mean(ours), "relative_bce": ratio(ours, theirs)}
    collisions = None if examples.collisions is None else examples.collisions[:, :steps]
    near = None
    if collisions is not None:
        near, near_theirs = relational_bce(frames, means, collisions), relational_bce(frames, copied(frames), collisions)
        figures |= {"relational_bce": mean(near), "relative_relational_bce": ratio(near, near_theirs)}
    figures |= _likelihoods(answer, frames, collisions, likelihood, ours, near)
    curtain = examples.truth.get("curtain")
    if answer.owners is not None and examples.groups is not None:
        tables = contingency(answer.owners, examples.groups[:, :steps], curtain)
        figures |= {"ari_video": mean_where_defined(ari_video(tables)[:, None]), "ari": mean_where_defined(ari(tables))}
    figures |= {f"{name}_last": last(sums) for name, sums in figures.items() if name not in NOT_ALSO_LAST}
    if rates is not None and curtain is not None and examples.groups is not None:
        visible = examples.truth["visible"][:, :steps]
        figures["permanence_bce"] = permanence_bce(frames, means, examples.groups[:, :steps], visible, curtain, rates=rates)
    return figures


def _likelihoods(answer: Answer, frames: NDArray[Any], collisions: NDArray[Any] | None, likelihood: Likelihood, ours: Floats, near: Floats | None) -> Named:
    """Of the distribution that the model declares around its mean, or as it computed them itself."""
    where = None if collisions is None else collisions[:, :-1]
    extra: Named = {}
    if isinstance(likelihood, Gaussian):
        assert answer.means is not None
        extra["clipped_share"] = clipped_share(answer.means)
    if answer.log_likelihoods is not None:
        each = answer.log_likelihoods[:, 1:, ..., None]
        of, near_of = masked_sum(each), None if where is None else masked_sum(each, where)
    elif isinstance(likelihood, Gaussian):
        of = gaussian_log_likelihood(frames[:, 1:], answer.means, likelihood.sigma)  # pyright: ignore[reportArgumentType]
        near_of = None if where is None else gaussian_log_likelihood(frames[:, 1:], answer.means, likelihood.sigma, where)  # pyright: ignore[reportArgumentType]
    else:
        of, near_of = 0.0 - ours, None if near is None else 0.0 - near
    return {"log_likelihood": mean(of)} | ({} if near_of is None else {"relational_log_likelihood": mean(near_of)}) | extra


def _still(answer: Answer, examples: Examples, still: Still) -> Named:
    if answer.owners is None or examples.groups is None:
        return {}
    tables = contingency(answer.owners, examples.groups[:, still.frame : still.frame + 1], examples.truth.get("curtain"))
    return {"ari": mean_where_defined(adjusted_rand(tables))}


def _rolled_out(answer: Answer, examples: Examples, rollout: Rollout) -> Named:
    frames, means = examples.frames, answer.means
    assert means is not None
    ours, theirs = rollout_bce(frames, means, rollout.context), repeat_bce(frames, rollout.context, rollout.horizon)
    figures = {"rollout_relative_bce": ratio(ours, theirs), "rollout_overlap": overlap(targets(frames, rollout.context, rollout.horizon), means)}
    figures |= {f"rollout_bce[{h + 1}]": step(mean(ours), h) for h in range(rollout.horizon)}
    figures |= _position_errors(means, examples.truth, rollout)
    if not examples.events:
        return figures
    radius, events = examples.truth["radius"], examples.events
    for ahead in (h for h in EVENT_STEPS if h <= rollout.horizon):
        first = rollout.context - 1
        collided = collisions_between(events["sequence"], events["time"], events["a"], events["b"], shape=radius.shape, first=first, last=first + ahead)
        position = examples.truth["position"]
        errors = event_error(frames, means, context=rollout.context, ahead=ahead, position=position, radius=radius, collided=collided)
        figures |= {f"event_error[{ahead},{kind}]": step(errors, j) for j, kind in enumerate(CLASSES)}
    return figures


def _position_errors(means: NDArray[Any], truth: Mapping[str, NDArray[Any]], rollout: Rollout) -> Named:
    """Of every step that the rollout reaches; nothing where the data do not say where the objects are."""
    if not {"position", "radius", "visible"} <= truth.keys():
        return {}
    figures: Named = {}
    for ahead in (h for h in POSITION_STEPS if h <= rollout.horizon):
        frame = rollout.context - 1 + ahead
        error = rollout_position_error(means[:, ahead - 1], truth["position"][:, frame], truth["radius"], truth["visible"][:, frame])
        figures[f"rollout_position_error[{ahead}]"] = Sums(error.numerator[:, None], error.denominator[:, None])
    return figures


def _likelihood_of(answer: Answer, examples: Examples, rollout: Rollout, likelihood: Likelihood) -> Named:
    """Of the frames asked for, given one sample of the model's randomness."""
    frames, means = targets(examples.frames, rollout.context, rollout.horizon), answer.means
    assert means is not None
    around = examples.frames[:, rollout.context - 1 : rollout.frames]
    collisions = None if examples.collisions is None else examples.collisions[:, rollout.context - 1 : rollout.frames]
    if isinstance(likelihood, Gaussian):
        of = gaussian_log_likelihood(frames, means, likelihood.sigma)
        near = None if collisions is None else gaussian_log_likelihood(frames, means, likelihood.sigma, collisions[:, :-1])
    else:
        of = 0.0 - bce(around, means)
        near = None if collisions is None else 0.0 - relational_bce(around, means, collisions)
    return {"log_likelihood": mean(of)} | ({} if near is None else {"relational_log_likelihood": mean(near)})
