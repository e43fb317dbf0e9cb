"""Text from outside is shown as what it is: never as markup, never turned around, never without an end."""

import pytest
from PySide6.QtGui import Qt, QTextDocumentFragment

from core.values import JsonValue
from desktop.models.safe import LONGEST, LONGEST_TIP, lines, menu_text, shown, tip, unmarked

HOSTILE = (
    '<img src="file:///etc/hostname"> <b>bold</b>',
    "&amp; &lt;b&gt; &#60;",
    "abc\u202efdp.exe",
    "two\nlines\r\nand\ttabs",
    "\u200b\u2066hidden\u2069\ufeff",
    "x" * 10_000,
    "\u202e" * 10_000,
    "\x1b[31mred\x07",
    "<?xml version='1.0'?>",
    "\ud800 half a pair",
    "<b>   many  spaces </b>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_one_line_that_can_be_printed_and_has_an_end(text: str) -> None:
    safe = shown(text)
    assert safe.isprintable()
    assert len(safe) <= LONGEST
    assert shown(safe) == safe


@pytest.mark.parametrize("text", HOSTILE)
def test_a_tooltip_shows_the_text_itself(text: str) -> None:
    made = tip(text)
    assert "<img" not in made
    read = QTextDocumentFragment.fromHtml(made).toPlainText() if Qt.mightBeRichText(made) else made
    assert read == lines(text)
    assert len(read) <= LONGEST_TIP
    assert all(line.isprintable() for line in read.split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_panel_that_reads_markup_finds_none(text: str) -> None:
    assert not set(unmarked(text)) & set("<>&")
    assert not Qt.mightBeRichText(unmarked(text))


def test_what_cannot_be_printed_is_written_out() -> None:
    assert shown("a\u202eb\nc\U000e0041") == "a\\u202eb\\nc\\U000e0041"
    assert shown("Anna's greenhouse") == "Anna's greenhouse"
    assert shown("abcdef", 4) == "abc\N{HORIZONTAL ELLIPSIS}"
    assert menu_text("a & b") == "a && b"


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("text", HOSTILE)
def test_labels_write_out_what_would_turn_the_text_around_it(text: str) -> None:
    from desktop.views.fields import Lines
    from desktop.views.parts import PlainLabel

    for label in (PlainLabel(text), Lines(2)):
        label.setText(text)
        assert all(line.isprintable() for line in label.text().split("\n"))
        assert len(label.text()) <= 4000


def test_an_answer_keeps_its_value_and_shows_what_is_in_it() -> None:
    import json

    from desktop.models.pretty import pretty

    value: JsonValue = {"a\u202eb": ["c\u2066\U000e0041", "d"]}
    shown_text = pretty(value).text
    assert "\u202e" not in shown_text
    assert "\\u202e" in shown_text
    assert json.loads(shown_text) == value
