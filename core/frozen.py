"""Plain values: `frozen` makes a class what `dataclass(frozen=True, slots=True)` makes it, at a quarter of the cost.

`dataclasses` writes the source of six methods of each class, and has Python compile it: 0.7 ms and 8 KB a class, half
of the time that a peer's start took. Of them `__init__` alone runs often. Here only that one is written, once the first
instance is made; the others are shared by all classes, and look at the fields when they are called.

mypyc, which compiles some modules (scripts/engines.py), lays a class out in C if its decorator is called `dataclass`.
Those modules write `@dataclass(frozen=True, slots=True)` as ever, with the `dataclass` of this module.
What they make for each packet and request is `@quick`: it writes its own `__init__` too, which mypyc calls without
Python between, in 200 instructions instead of 1,500 to 3,500.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Never, TypeVar, dataclass_transform

__all__ = ["COMPILED", "dataclass", "frozen", "mypyc_attr", "quick"]

T = TypeVar("T")
COMPILED = "__mypyc_attrs__"  # what mypyc gives to a class that it has laid out


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make `cls` a data class with slots whose instances cannot be changed; `fields`, `replace` and so on know it.

    Raises TypeError as `dataclass` does, for a field without a default after one with a default, say.
    """
    own = cls.__dict__
    if COMPILED in own:  # mypyc forgets which annotations say ClassVar, and knows what an instance has
        cls.__annotations__ = {name: kind for name, kind in cls.__annotations__.items() if name in own[COMPILED]}
    made: type[Any] = dataclasses.dataclass(init=False, repr=False, eq=False, slots=COMPILED not in own)(cls)
    every = fields(made)
    if not (COMPILED in own and "__init__" in own):  # else the class has written the same itself
        made.__init__ = _first_init(made, every)
    compared = _values_of([each.name for each in every if each.compare])
    shared = {
        "__eq__": _eq(compared),
        "__hash__": lambda self: hash(compared(self)),
        "__repr__": _repr,
        "__reduce__": _reduce,
        "__setattr__": _refuse_change,
        "__delattr__": _refuse_change,
    }
    for name, method in shared.items():
        if own.get(name) is None:  # `__hash__` is None where a class has an `__eq__` of its own
            setattr(made, name, method)
    return made


if TYPE_CHECKING:  # and for mypyc: the decorators that they know
    from dataclasses import dataclass as dataclass
    from dataclasses import dataclass as quick  # not a frozen one: an `__init__` could set nothing

    from _typeshed import DataclassInstance
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_: bool) -> Callable[[type[T]], type[T]]:
        """Tell mypyc something of a class; here nothing: what it needs for that is not installed with us."""
        return lambda cls: cls

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type[T]], type[T]]:
        """Return `frozen`, or what `dataclasses.dataclass` is for a class that can be changed."""
        return _frozen if frozen else dataclasses.dataclass(slots=slots, eq=eq)

    def quick(cls: type[T]) -> type[T]:
        """Make `cls` what `frozen` does, of a class that has the `__init__` which would be written for it.

        Python does not use that one, since nothing may be set there. tests/test_frozen.py compares the two.
        """
        return frozen(cls)


_frozen = frozen  # by another name than the option's


def _first_init(made: type[Any], every: tuple[Field[Any], ...]) -> Callable[..., None]:
    """Return an `__init__` that puts the real one in its place: most classes of a short command make no instance.

    By then mypyc has given a class back the descriptors of its fields, too, which it puts away while it is decorated.
    """

    def __init__(self: object, *values: object, **named: object) -> None:
        made.__init__ = _init(made, every)
        made.__init__(self, *values, **named)

    defaults = False
    for each in every:
        if not each.init:
            continue
        if defaults and each.default is MISSING and each.default_factory is MISSING:
            raise TypeError(f"non-default argument {each.name!r} follows default argument")
        defaults = each.default is not MISSING or each.default_factory is not MISSING
    return __init__


def _init(made: type[Any], every: tuple[Field[Any], ...]) -> Callable[..., None]:
    """Write `__init__`. A slot is set by its descriptor: `object.__setattr__` would look for that each time."""
    known: dict[str, Any] = {"MISSING": MISSING}
    head, body = ["self"], []
    for each in every:
        name = value = each.name
        if each.default is not MISSING:
            known[f"default_{name}"] = each.default
        elif each.default_factory is not MISSING:
            known[f"make_{name}"] = each.default_factory
        if not each.init:
            value = f"default_{name}" if each.default is not MISSING else f"make_{name}()"
        elif each.default is not MISSING:
            head.append(f"{name}=default_{name}")
        elif each.default_factory is not MISSING:
            head.append(f"{name}=MISSING")
            value = f"make_{name}() if {name} is MISSING else {name}"
        else:
            head.append(name)
        known[f"set_{name}"] = getattr(made, name).__set__
        body.append(f"set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__({', '.join(head)}):\n  " + "\n  ".join(body or ["pass"]), known)
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    return init


def _eq(values: Callable[[object], object]) -> Callable[[object, object], bool]:
    def __eq__(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _values_of(names: Sequence[str]) -> Callable[[object], object]:
    """Return what takes these attributes of an instance, for comparison: a tuple of them, or the only one."""
    return attrgetter(*names) if names else lambda self: ()


def _repr(self: "DataclassInstance") -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _reduce(self: "DataclassInstance") -> tuple[type[Any], tuple[Any, ...]]:
    return self.__class__, tuple([getattr(self, each.name) for each in fields(self) if each.init])


def _refuse_change(self: object, name: str, value: object = None) -> Never:
    raise FrozenInstanceError(f"cannot change field {name!r}")
