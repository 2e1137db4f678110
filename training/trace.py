"""One training step in full: every tensor on the way, the loss, and what the step did to each parameter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from contract.config import TrainingConfig
from training.loop import Criterion, train_step
from training.muon import make_optimizer


@dataclass(frozen=True, slots=True)
class TensorTrace:
    """A tensor that went by."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class ParameterTrace:
    """A parameter, the L2 norm of its gradient, and that of its change in this step."""

    name: str
    shape: tuple[int, ...]
    gradient_norm: float
    change_norm: float


@dataclass(slots=True)
class StepTrace:
    """One step, in the order in which things happened."""

    tensors: list[TensorTrace] = field(default_factory=list)
    loss: float = float("nan")
    loss_shape: tuple[int, ...] = ()
    parameters: list[ParameterTrace] = field(default_factory=list)

    def record(self, name: str, tensor: Tensor) -> None:
        """Note a tensor."""
        self.tensors.append(TensorTrace(name, tuple(tensor.shape), _dtype(tensor)))

    def lines(self) -> list[str]:
        """The trace as text."""
        tensors = [f"  {tensor.name:<28} {_shape(tensor.shape):<12} {tensor.dtype}" for tensor in self.tensors]
        parameters = [
            f"  {parameter.name:<28} {_shape(parameter.shape):<12} "
            f"|gradient| {parameter.gradient_norm:<10.4g} |change| {parameter.change_norm:.4g}"
            for parameter in self.parameters
        ]
        return [
            "1. optimizer.zero_grad(): every gradient is zero",
            "2. logits = network(x)",
            *tensors,
            f"3. loss = criterion(logits, y): {self.loss:.6f}, shape {list(self.loss_shape)}, one scalar",
            "4. loss.backward(): a gradient for each parameter",
            "5. optimizer.step(): each parameter moves against its gradient",
            *parameters,
        ]


def trace_step(network: nn.Module, criterion: Criterion, config: TrainingConfig, x: Tensor, y: Tensor) -> StepTrace:
    """What the first step on this batch does, taken on a copy: the network and torch's randomness stay as they were."""
    trace = StepTrace()
    copied = copy.deepcopy(network).train()
    _, optimizer = make_optimizer(copied, config)
    for name, module in copied.named_modules():
        if not list(module.children()):
            module.register_forward_hook(_note_output(trace, f"{name} {type(module).__name__}"))
    before = {name: parameter.detach().clone() for name, parameter in copied.named_parameters()}
    trace.record("x", x)
    with torch.random.fork_rng():
        loss = train_step(copied, criterion, optimizer, x, y)
    trace.record("y", y)
    trace.loss, trace.loss_shape = loss.item(), tuple(loss.shape)
    trace.parameters = [
        ParameterTrace(
            name=name,
            shape=tuple(parameter.shape),
            gradient_norm=parameter.grad.norm().item() if parameter.grad is not None else 0.0,
            change_norm=(parameter.detach() - before[name]).norm().item(),
        )
        for name, parameter in copied.named_parameters()
    ]
    return trace


def _note_output(trace: StepTrace, name: str) -> Callable[[nn.Module, object, Tensor], None]:
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        trace.record(name, output)

    return hook


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
