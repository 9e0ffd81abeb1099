"""Errors inside a flow as data, with the published texts."""

from __future__ import annotations

from typing import Any

from skep.errors import FlowError, NonBoolCond, SkepError, StepFailed
from skep.flow.inputs import Settled
from skep.flow.runtime.frames import Fault
from skep.values import canonical, type_name, type_of

_SHOWN_CHARS = 2_048


class Raised(FlowError):
    """A fault that is there already, on its way through Python code; it never leaves the machine."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def fault_of(error: SkepError, key: str) -> Fault:
    """The fault that `error` is at the node `key`."""
    return error.fault if isinstance(error, Raised) else Fault(error.code, error.what, key, error.fix)


def step_fault(event: Settled, agent: str) -> Fault:
    """The fault of a step that did not pass."""
    if event.status == "blocked":
        why = f"blocked: {_cut(canonical(event.value).decode())}"
    elif event.status == "timeout":
        why = f"timeout: {event.message}" if event.message else "timeout"
    else:
        why = event.message or event.status
    return Fault(event.code or StepFailed.code, f"dispatcher error for ref '{agent}': {why}", event.key)


def boolean(value: Any, what: str) -> bool:
    """`value`, which must be a boolean.

    Raises:
        NonBoolCond: naming `what`.
    """
    if value is True or value is False:
        return value
    raise NonBoolCond(
        f"{what} must be boolean, got: {shown(value)}", fix="compare it, as in $.n > 0, or use exists($.n)"
    )


def shown(value: Any) -> str:
    """A value of the flow in a message: containers only by their type, for they may share parts without end.

    >>> shown("yes"), shown(None), shown([1, 2])
    ('"yes"', 'null', 'array of 2')
    """
    if type_of(value) in (list, dict):
        return f"{type_name(value)} of {len(value)}"
    return _cut(canonical(value).decode())


def _cut(text: str) -> str:
    if len(text) <= _SHOWN_CHARS:
        return text
    return f"{text[:_SHOWN_CHARS]}... ({len(text) - _SHOWN_CHARS:,} more characters)"
