from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import skep.flow
import skep.testing

MODULES = [
    module.name
    for package in (skep.flow, skep.testing)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
