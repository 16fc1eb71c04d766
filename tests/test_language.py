"""The catalogues hold every text of the lesson, with the same placeholders; texts follow the language in use."""

import io
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from analysis.language import FOLDER, LANGUAGES, current_language, in_language, translate, translate_count, use_language

ROOT = Path(__file__).parent.parent
KEYWORDS = {"_": None, "mark": None, "translate_count": (1, 2)}
OTHERS = [code for code in LANGUAGES.values() if code != "en"]


def texts():
    """The texts in the code that belong into a catalogue; a pair where one and many have two."""
    return {
        text
        for folder in ("analysis", "pages")
        for _file, _line, text, _comments, _context in extract_from_dir(ROOT / folder, keywords=KEYWORDS)
    }


def catalogue(code):
    with (FOLDER / code / "LC_MESSAGES" / "goldfish.po").open("rb") as file:
        return read_po(file, locale=code)


def placeholders(text):
    return {name for _before, name, _spec, _conversion in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_lacks_its_translation_and_none_is_left_over(code):
    translated = {message.id for message in catalogue(code) if message.id and all(variants(message))}
    assert {repr(text) for text in texts()} - {repr(text) for text in translated} == set()
    assert {repr(text) for text in translated} - {repr(text) for text in texts()} == set()
    assert not [message.id for message in catalogue(code) if message.fuzzy and message.id]


def variants(message):
    return message.string if isinstance(message.string, tuple) else (message.string,)


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_placeholders_and_the_numbers_of_the_english(code):
    for message in catalogue(code):
        if message.id:
            english = message.id[-1] if isinstance(message.id, tuple) else message.id
            for text in variants(message):
                assert placeholders(text) == placeholders(english), english
                assert sorted(re.findall(r"\d[\d.,]*\d|\d", text)) == sorted(re.findall(r"\d[\d.,]*\d|\d", english)), (
                    english
                )


@pytest.mark.parametrize("code", OTHERS)
def test_what_python_reads_is_what_the_catalogue_says(code):
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(code))
    assert (FOLDER / code / "LC_MESSAGES" / "goldfish.mo").read_bytes() == compiled.getvalue()


def test_a_text_follows_the_language_in_use():
    text = "What does the loop carry?"
    assert translate(text) == text
    with in_language("zh"):
        assert current_language() == "zh"
        assert re.search("[\u4e00-\u9fff]", translate(text))
        assert translate("no text of any page") == "no text of any page"
        assert translate_count("{count} no text", "{count} no texts", 2) == "{count} no texts"
    assert (current_language(), translate(text)) == ("en", text)


def test_a_language_without_a_catalogue_is_refused():
    with pytest.raises(ValueError, match="language 'xx': expected one of en, zh"):
        use_language("xx")
