"""The reference pages are what the code says, and say everything that the code has."""

from functools import cache

import pytest

from core.limits import bounds
from scripts import reference
from scripts.reference_limits import ALL_RULES
from scripts.reference_words import ERRORS, FIELDS
from tests.support.tools import ROOT
from tests.test_layers import ROOMS

documents = cache(reference.documents)


def test_each_page_is_what_the_code_says() -> None:
    # not a parameter for each page: every worker would make them all, only to know the names of the tests
    stale = [path.name for path, text in documents().items() if path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_error_name_has_its_sentence_and_no_other() -> None:
    names = set(reference.error_places())
    assert names - set(ERRORS) == set(), "write what these mean, in scripts/reference_words.py"
    assert set(ERRORS) - names == set(), "these arise nowhere any longer: take them out of scripts/reference_words.py"


def test_an_error_name_is_found_however_it_is_written() -> None:
    source = '''
class A(Exception):
    """ERR_DOCSTRING is not one."""
    name = "ERR_A"
B: Final = "ERR_B"
raise E("a sentence", name="ERR_C")
reply(b"ERR_D")
error = f"ERR_E: {why}"
text.startswith("ERR_")
'''
    assert reference.names_in(source) == {"ERR_A", "ERR_B", "ERR_C", "ERR_D", "ERR_E"}


def test_every_field_of_an_event_has_its_meaning_and_no_other() -> None:
    fields = {(event, field) for event, (_, types) in reference.event_types().items() for field in types}
    missing = {each for each in fields if each[1] not in FIELDS and ".".join(each) not in FIELDS}
    assert missing == set(), "write what these mean, in scripts/reference_words.py"
    assert set(FIELDS) <= {name for event, field in fields for name in (field, f"{event}.{field}")}


def test_every_rule_has_a_test_that_is_there() -> None:
    assert {rule.test for rule in ALL_RULES if not (ROOT / rule.test).is_file()} == set()
    assert len({rule.what for rule in ALL_RULES}) == len(ALL_RULES)
    assert all(rule.when_full and (rule.per_host or rule.in_all) for rule in ALL_RULES)


def test_every_number_of_the_bounds_has_its_reason() -> None:
    said = reference.notes((ROOT / "core/limits/bounds.py").read_text())
    numbers = {name for name, value in vars(bounds).items() if name.isupper() and isinstance(value, int | float)}
    assert numbers - set(said) == {"MB", "KIB"}


def test_every_room_says_in_one_sentence_what_it_is_for() -> None:
    table = reference.rooms().splitlines()[2:]
    assert len(table) == len(ROOMS)
    for line in table:
        sentence = line.split("|")[2].strip()
        assert sentence.endswith((".", ")")), line


def test_a_page_without_its_markers_is_an_error() -> None:
    page = "a\n<!-- x: made by `make docs` -->\nold\n<!-- end of x -->\nb\n"
    assert reference.between(page, "x", "new\n") == page.replace("old", "new")
    for wrong in ("", page + page, page.replace("end of", "end")):
        with pytest.raises(ValueError, match="once each"):
            reference.between(wrong, "x", "new\n")
