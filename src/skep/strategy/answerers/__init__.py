"""Whoever may answer a strategy: see docs/answerers.md."""

from __future__ import annotations

from skep.strategy.answerers.base import Answerer
from skep.strategy.answerers.command import Command
from skep.strategy.answerers.forms import answerer_from
from skep.strategy.answerers.model import Model
from skep.strategy.answerers.question import Question
from skep.strategy.answerers.scripted import Scripted
from skep.strategy.answerers.terminal import Terminal

__all__ = [
    "Answerer",
    "Command",
    "Model",
    "Question",
    "Scripted",
    "Terminal",
    "answerer_from",
]
