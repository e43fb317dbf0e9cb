"""`frozen` makes what `dataclass(frozen=True, slots=True)` makes; each behaviour is asked of both."""

import ast
import copy
import dataclasses
import pickle
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from core.frozen import dataclass, frozen, quick
from core.news.events import Lost, PeerEvent, RequestSent
from core.values import Address
from scripts.engines import modules, path_of
from tests.support.tools import ROOT

Decorator = Callable[[type[Any]], type[Any]]
ALL = [frozen, dataclass(frozen=True, slots=True), dataclasses.dataclass(frozen=True, slots=True)]
BOTH = pytest.mark.parametrize("made_by", ALL, ids=["frozen", "for compiled modules", "Python's"])
X = TypeVar("X")


@frozen
class Kept:
    """One that pickle finds by its name."""

    name: str
    size: int = 3
    spare: int = field(default=9, init=False)


def place(made_by: Decorator) -> type[Any]:
    @made_by
    class Place:
        """A place."""

        kind: ClassVar[str] = "place"
        host: str
        port: int = 80
        names: list[str] = field(default_factory=list, repr=False)
        seen: float = field(default=0.0, compare=False)

    return Place


@BOTH
def test_a_value_is_made_of_its_fields_and_their_defaults(made_by: Decorator) -> None:
    cls = place(made_by)
    one, other = cls("a"), cls(host="a", port=81, names=["x"], seen=2.0)
    assert (one.host, one.port, one.names, one.seen, one.kind) == ("a", 80, [], 0.0, "place")
    assert (other.port, other.names, other.seen) == (81, ["x"], 2.0)
    assert one.names is not cls("a").names
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'host'"):
        cls()
    with pytest.raises(TypeError, match="positional arguments"):
        cls("a", 1, [], 0.0, 5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'where'"):
        cls("a", where=1)


@BOTH
def test_a_value_cannot_be_changed(made_by: Decorator) -> None:
    one = place(made_by)("a")
    with pytest.raises(FrozenInstanceError):
        one.host = "b"
    with pytest.raises(FrozenInstanceError):
        del one.host
    with pytest.raises((FrozenInstanceError, TypeError)):  # `dataclass` with slots fails in its own way
        one.new = 1
    assert one.host == "a"
    assert not hasattr(one, "__dict__")


@BOTH
def test_values_are_equal_by_what_is_compared_and_by_their_class(made_by: Decorator) -> None:
    cls = place(made_by)
    assert cls("a", seen=1.0) == cls("a", seen=2.0)
    assert cls("a") != cls("a", 81)
    assert cls("a") != place(made_by)("a")
    assert cls("a") != "a"

    class Name:
        """One field."""

        text: str

    class Nothing:
        """No field."""

    name, nothing = made_by(Name), made_by(Nothing)
    assert {name("a"), name("a"), name("b")} == {name("b"), name("a")}
    assert {nothing()} == {nothing()}
    with pytest.raises(TypeError, match="unhashable"):
        hash(cls("a"))


@BOTH
def test_what_a_value_shows(made_by: Decorator) -> None:
    assert repr(place(made_by)("a")) == "place.<locals>.Place(host='a', port=80, seen=0.0)"


@BOTH
def test_the_tools_of_dataclasses_know_it(made_by: Decorator) -> None:
    cls = place(made_by)
    one = cls("a", names=["x"])
    assert [each.name for each in dataclasses.fields(cls)] == ["host", "port", "names", "seen"]
    assert dataclasses.asdict(one) == {"host": "a", "port": 80, "names": ["x"], "seen": 0.0}
    assert replace(one, port=81) == cls("a", 81, ["x"])
    match one:
        case cls(host, port):
            assert (host, port) == ("a", 80)


@BOTH
def test_a_class_may_derive_check_itself_and_have_methods_of_its_own(made_by: Decorator) -> None:
    base = place(made_by)

    class Door(base):  # type: ignore[valid-type, misc]
        """A place with a number."""

        number: int = 1
        port: int = 443

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ValueError("a number is not negative")

        def __eq__(self, other: object) -> bool:
            return getattr(other, "number", None) == self.number

        def __repr__(self) -> str:
            return f"door {self.number}"

    door = made_by(Door)
    assert (door("a").port, door("a", number=7).number) == (443, 7)
    assert door("a", number=7) == door("b", number=7) != door("b", number=8)
    assert repr(door("a")) == "door 1"
    with pytest.raises(ValueError, match="negative"):
        door("a", number=-1)
    with pytest.raises(FrozenInstanceError):
        door("a").number = 2


def test_a_class_may_be_generic() -> None:
    @frozen
    class Box(Generic[X]):
        """A box."""

        inside: X

    assert Box[int](3) == Box(3)


@BOTH
def test_a_field_without_a_default_comes_first(made_by: Decorator) -> None:
    class Wrong:
        a: int = 1
        b: str

    with pytest.raises(TypeError, match="'b' follows default argument"):
        made_by(Wrong)


def test_a_value_can_be_copied_and_pickled() -> None:
    one = Kept("a", 4)
    assert copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
    assert one.spare == 9


def test_what_is_compiled_writes_dataclass_and_nobody_has_that_of_python() -> None:
    """mypyc lays out in C what is called `dataclass`; of others it makes a class of Python's, which is slower."""
    compiled = {path_of(name) for name in modules()}
    slow, dear = [], []
    for path in sorted((ROOT / "core").rglob("*.py")):
        source, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        if name in compiled and re.search(r"^@frozen", source, re.MULTILINE):
            slow.append(name)
        if "frozen=True" in source and re.search(r"^from dataclasses import .*\bdataclass\b", source, re.MULTILINE):
            dear.append(name)
    assert (slow, dear) == ([], [])


def test_the_dataclass_of_compiled_modules_makes_changeable_ones_too() -> None:
    @dataclass(slots=True)
    class Count:
        """A count."""

        number: int = 0

    one = Count()
    one.number = 3
    assert one == Count(3)
    assert not hasattr(one, "__dict__")


def _fields(made: ast.ClassDef) -> list[tuple[str, str]]:
    """Return the name and the default of each field, "" without one."""
    found = []
    for each in made.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            given = each.value
            if "ClassVar" in ast.unparse(each.annotation):
                continue
            if isinstance(given, ast.Call):  # field(...)
                given = next((word.value for word in given.keywords if word.arg == "default"), None)
            found.append((each.target.id, "" if given is None else ast.unparse(given)))
    return found


def _given(init: ast.FunctionDef) -> list[tuple[str, str]]:
    """Return the same of the parameters."""
    names = [each.arg for each in init.args.args[1:]]
    defaults = [ast.unparse(each) for each in init.args.defaults]
    return list(zip(names, [""] * (len(names) - len(defaults)) + defaults, strict=True))


def test_a_quick_class_is_compiled_and_its_init_is_the_one_that_would_be_written() -> None:
    checked = 0
    for path in sorted((ROOT / "core").rglob("*.py")):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        classes = {made.name: made for made in tree if isinstance(made, ast.ClassDef)}
        for made in classes.values():
            kinds = list(map(ast.unparse, made.decorator_list))
            inits = [each for each in made.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
            if "quick" not in kinds and not (inits and "dataclass(frozen=True, slots=True)" in kinds):
                continue
            name = str(path.relative_to(ROOT))
            inherited = [classes[base.id] for base in made.bases if isinstance(base, ast.Name) and base.id in classes]
            expected = [each for one in (*inherited, made) for each in _fields(one)]
            (init,) = inits
            assert name in map(path_of, modules()), name
            assert _given(init) == expected, made.name
            assert list(map(ast.unparse, init.body)) == [f"self.{each} = {each}" for each, _ in expected]
            checked += 1
    assert checked > 9


@quick
class Quick:
    """One as compiled modules have them."""

    name: str
    size: int = 3

    def __init__(self, name: str, size: int = 3) -> None:
        self.name = name
        self.size = size


def test_an_event_of_a_request_is_a_frozen_one() -> None:
    one = RequestSent(1.0, "fibonacci", Address("127.0.0.1", 7))
    with pytest.raises(FrozenInstanceError):
        one.at = 5.0  # type: ignore[misc]
    assert one == replace(one, service="fibonacci") != replace(one, at=2.0)
    assert repr(one) == "RequestSent(at=1.0, service='fibonacci', peer=Address(host='127.0.0.1', port=7))"
    other = Lost(1.0, "fibonacci", one.peer, "it is silent")  # of Python, and of the same base
    with pytest.raises(FrozenInstanceError):
        other.at = 5.0  # type: ignore[misc]
    assert (other.at, other.reason, isinstance(other, PeerEvent)) == (1.0, "it is silent", True)


def test_a_quick_value_is_a_frozen_one() -> None:
    one = Quick("a", size=4)
    with pytest.raises(FrozenInstanceError):
        one.size = 5
    assert one == replace(Quick("a"), size=4) != Quick("a")
    assert (repr(one), len({one, Quick("a", 4)})) == ("Quick(name='a', size=4)", 1)
