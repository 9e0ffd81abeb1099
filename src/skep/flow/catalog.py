"""What lint knows of the world: worker kinds and layer hints, registered by their adapters.

`host` fills one catalog and hands it down, so lint stays pure and knows no adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from skep.errors import ConfigError
from skep.flow.problems import Problem, inside

Check = Callable[[Any, str], list[Problem]]
"""`check(spec, place)`: everything wrong with an agent's `spec`; pure."""


CheckSchema = Callable[[Any], str | None]
"""`check_schema(schema)`: what is wrong with a JSON Schema, if something is; pure."""


def any_spec(_spec: Any, _place: str) -> list[Problem]:
    """The check that accepts every spec."""
    return []


class KindInfo(Struct, frozen=True, kw_only=True):
    """One worker kind, such as `python`."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other spellings on the wire, such as `rust_fn`."""
    ready: bool = True
    """False: lint knows the kind, this version cannot start it (`E-KIND-NOT-YET`)."""
    check: Check = any_spec
    check_code: Check = any_spec
    """Of trusted Blueprints, and after `check`: what is wrong with code in a spec. It is compiled, and does not run."""
    untrusted_keys: frozenset[str] = frozenset()
    """The spec keys that an untrusted Blueprint may set; every other one is `E-TRUST` (R-trust)."""


def no_options(options: Any, place: str) -> list[Problem]:
    """The check of a layer that has no options."""
    return [
        Problem(inside(place, key), "E-FIELD-UNKNOWN", f"unknown option {key[:60]!r}", "this layer has none")
        for key in options
    ]


EVERY_LAYER = ("*",)


class HintInfo(Struct, frozen=True, kw_only=True):
    """One layer: what a Blueprint may ask for in `spawner_hints.layers`, or what is always there."""

    key: str
    what: str = ""
    """What it does, in a few words."""
    disables: tuple[str, ...] = ()
    """Layers that it keeps from being called when they are listed before it; `EVERY_LAYER`: all of them."""
    repeats: bool = False
    """It may be listed more than once."""
    check: Check = no_options
    """`check(options, place)`: everything wrong with its options, an object; pure."""
    check_code: Check = any_spec
    """As `KindInfo.check_code`, with options."""
    untrusted_keys: frozenset[str] = frozenset()
    """The options that an untrusted Blueprint may set; every other one is `E-TRUST` (R-trust)."""


class Catalog:
    """The registry. Names and aliases are unique.

    `check_schema` looks into the schemas of questions; without it lint sees only their size and references.

    Raises:
        ConfigError: a name or alias that is already taken.
    """

    def __init__(
        self,
        kinds: Iterable[KindInfo] = (),
        hints: Iterable[HintInfo] = (),
        check_schema: CheckSchema | None = None,
        base: Iterable[HintInfo] = (),
    ) -> None:
        self.check_schema = check_schema
        self.base = tuple(base)
        """The layers around every agent, in order of registration."""
        self._kinds: dict[str, KindInfo] = {}
        self._hints: dict[str, HintInfo] = {}
        self._open = False
        for kind in kinds:
            self.add_kind(kind)
        for hint in hints:
            self.add_hint(hint)

    @classmethod
    def permissive(cls) -> Catalog:
        """A catalog that knows every kind and every hint; for tests of what does not depend on them."""
        catalog = cls()
        catalog._open = True
        return catalog

    def add_kind(self, kind: KindInfo) -> None:
        for name in (kind.name, *kind.aliases):
            if name in self._kinds:
                raise ConfigError(
                    f"worker kind {name!r} is registered twice", fix="give the second one another name"
                )
            self._kinds[name] = kind

    def add_hint(self, hint: HintInfo) -> None:
        if hint.key in self._hints:
            raise ConfigError(
                f"layer {hint.key!r} is registered twice", fix="give the second one another key"
            )
        self._hints[hint.key] = hint

    def kind(self, name: str) -> KindInfo | None:
        """The kind with this name or alias."""
        found = self._kinds.get(name)
        return KindInfo(name=name) if found is None and self._open else found

    def hint(self, key: str) -> HintInfo | None:
        found = self._hints.get(key)
        return HintInfo(key=key, repeats=True, check=any_spec) if found is None and self._open else found

    @property
    def kinds(self) -> tuple[KindInfo, ...]:
        """Each kind once, in order of registration."""
        return tuple({kind.name: kind for kind in self._kinds.values()}.values())

    @property
    def hints(self) -> tuple[HintInfo, ...]:
        return tuple(self._hints.values())

    @property
    def kind_names(self) -> list[str]:
        """Every spelling of every kind, for "did you mean"."""
        return list(self._kinds)
