"""Several processes that train one network, as torchrun starts them: which rows of a batch each has, and what they say
to one another.

Every process (rank) makes its own rows of each batch, so no data are sent and no disk is shared. The gradients are
averaged by one all_reduce of all of them laid end to end, after the last part of an accumulated batch and before they
are clipped. DistributedDataParallel sends them while the backward pass is still at work, but it wraps `forward`, and
our networks are asked for a `loss`, take gradients within it, and are replayed as CUDA graphs: its hooks know nothing
of these, and a few megabytes per step are soon sent.

The first process leads: it has the folder, validates, and decides when the run ends. Before each step, and after each
batch of a validation, all processes confer: they learn whether a step follows, at which share of the run, and whether
any of them was asked to stop. So all stop at the same step, no process waits for longer than a batch takes, and one
that died is noticed by the others.

One process needs none of this: `ALONE` says so and loads nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from physbench.errors import TrainingError

if TYPE_CHECKING:
    import torch

TIMEOUT = timedelta(minutes=10)
"""Longer than a step, a batch of a validation or a save takes. A process that ends is noticed at once."""

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun says to every process."""


class LostProcess(TrainingError):
    """Another process of the run ended, or cannot be reached."""


class Order(IntEnum):
    """What the first process wants of the others. The highest is what holds."""

    WAIT = 0
    STEP = 1
    END = 2
    FAIL = 3


class Word(NamedTuple):
    """What processes agree on."""

    order: Order
    share: float  # of the run that is over
    signal: int  # that any of them was sent; 0 for none


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run, and of its machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def several(self) -> bool:
        return self.world > 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def require_shares(self, batch: int, parts: int) -> None:
        """Refuse a batch that cannot be shared out evenly."""
        if batch % (parts * self.world) and self.several:
            taken = f" in {parts} parts" if parts > 1 else ""
            raise TrainingError(
                f"a batch of {batch} sequences{taken} cannot be shared out evenly among {self.world} processes: give"
                f" a multiple of {parts * self.world}"
            )

    def stretches(self, batch: int, parts: int) -> list[tuple[int, int]]:
        """Rows start..stop-1 of a batch that are this process's: an equal share of each of its parts.

        >>> Ranks(rank=1, world=2).stretches(12, 1), Ranks(rank=1, world=2).stretches(12, 3)
        ([(6, 12)], [(2, 4), (6, 8), (10, 12)])
        """
        if not self.several:
            return [(0, batch)]
        share = batch // (parts * self.world)
        starts = (share * (part * self.world + self.rank) for part in range(parts))
        return [(start, start + share) for start in starts]

    def device(self, name: str) -> torch.device:
        """The device of this process: of several on a machine, each has a graphics card of its own."""
        import torch

        from physbench_baselines.adapter import device_of

        if not self.several or (place := device_of(name)).type == "cpu":
            return device_of(name)
        if place.index is not None:
            raise TrainingError(f"each process has a GPU of its own, not {name!r}: leave the device out, or give cpu")
        if (cards := torch.cuda.device_count()) < self.local_world:
            raise TrainingError(
                f"{self.local_world} processes on this machine have {cards} GPU{'s' * (cards != 1)}: start {cards} by"
                " --nproc-per-node, or give the device cpu"
            )
        return device_of(f"cuda:{self.local_rank}")

    @contextmanager
    def join(self, device: torch.device) -> Generator[None]:
        """Find the other processes, and part from them at the end."""
        if not self.several:
            yield
            return
        import torch
        import torch.distributed as dist

        cuda = device.type == "cuda"
        if cuda:
            torch.cuda.set_device(device)
        try:
            store, rank, world = next(dist.rendezvous("env://", timeout=TIMEOUT))
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if cuda else "gloo",
                timeout=TIMEOUT,
                store=dist.PrefixStore(f"run {next(_RUNS)}", store),
                rank=rank,
                world_size=world,
            )
        except (RuntimeError, ValueError) as error:
            raise LostProcess(f"{self} does not reach the other ranks: {_first_line(error)}") from None
        try:
            yield
        except BaseException:
            if not cuda:  # NCCL would wait for those who are gone
                dist.destroy_process_group()
            raise
        dist.destroy_process_group()

    def tell(self, value: Any) -> Any:
        """Return the first process's value, in all of them."""
        if not self.several:
            return value
        import torch.distributed as dist

        values = [value]
        with self._losing():
            dist.broadcast_object_list(values)
        return values[0]

    def confer(self, order: Order, *, share: float = 0.0, signal: int = 0) -> Word:
        """Say what is to be done, or what was noticed, and hear what holds for all."""
        if not self.several:
            return Word(order, share, signal)
        import torch
        import torch.distributed as dist

        said = torch.tensor([order, share, signal], dtype=torch.float64)
        with self._losing():
            dist.all_reduce(said, dist.ReduceOp.MAX)
        agreed, share, signal = said.tolist()
        return Word(Order(int(agreed)), share, int(signal))

    def outlast(self) -> None:
        """Wait until the first process ends, which has to save or to say something."""
        with suppress(LostProcess):
            self.confer(Order.WAIT)

    def average(self, parameters: Sequence[torch.nn.Parameter], figures: torch.Tensor) -> torch.Tensor:
        """Replace every gradient by its mean over the processes; figures (F,) -> their means (F,).

        A weight that a process had no use for counts as a gradient of 0 there, unless no process had.
        """
        if not self.several:
            return figures
        import torch
        import torch.distributed as dist

        used = figures.new_tensor([parameter.grad is not None for parameter in parameters])
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), figures, used])
        with self._losing():
            dist.all_reduce(flat)
        flat /= self.world
        *means, figures, used = flat.split([*(each.numel() for each in parameters), len(figures), len(used)])
        for number, (parameter, mean) in enumerate(zip(parameters, means, strict=True)):
            if parameter.grad is not None:
                parameter.grad.copy_(mean.view_as(parameter))
            elif used[number] > 0:
                parameter.grad = gradients[number].copy_(mean.view_as(parameter))
        return figures.clone()  # of the many numbers that lie before it, nothing is kept

    @contextmanager
    def _losing(self) -> Generator[None]:
        """Say in a line that a process is missing, where torch has pages for it."""
        try:
            yield
        except RuntimeError:
            raise LostProcess(f"{self} lost another rank, which ended or cannot be reached") from None

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.world}"


ALONE = Ranks()

_RUNS = count()
"""Of this process: what processes say to find one another in one run is still there in the next."""


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """Read what torchrun says to the processes that it starts; without torchrun there is one."""
    world = _number(environment, "WORLD_SIZE", 1)
    if world <= 1:
        return ALONE
    for name in NAMES:
        if not environment.get(name):
            raise TrainingError(f"WORLD_SIZE is {world} and {name} is not set: start several processes by torchrun")
    rank, local, here = (_number(environment, name, 0) for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    if not (0 <= rank < world and 0 <= local < here):
        raise TrainingError(f"there is no process {rank} of {world}, {local} of {here} here: start them by torchrun")
    return Ranks(rank, world, local, here)


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name) or str(usual)
    if not text.isdecimal() or not len(text) < 10:
        raise TrainingError(f"{name} is a whole number, not {text!r:.40}: start several processes by torchrun")
    return int(text)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
