from collections import Counter

from analysis import Experiment
from analysis.lesson.frequency import places_by_frequency
from analysis.sources import read_text
from analysis.tasks.vocabulary import normalized, split_words

ENGLISH = Experiment(task="words", text_file="english")


def test_places_are_by_frequency_from_one_and_zero_for_unknown_words():
    places, known = places_by_frequency(ENGLISH, [",", "The", "the", "zxqy"])
    assert known == 799
    assert places.tolist() == [1, 2, 2, 0]


def test_a_word_of_a_later_place_is_not_more_frequent():
    words = split_words(read_text("english")[0])
    counts = Counter(map(normalized, words[: len(words) * 9 // 10]))
    sentence = ["boy", "grew", "France", "French", "the", "he"]
    places, _ = places_by_frequency(ENGLISH, sentence)
    by_place = [counts[normalized(word)] for _, word in sorted(zip(places, sentence, strict=True))]
    assert by_place == sorted(by_place, reverse=True) and len(set(places)) == len(sentence)
