"""A mistake is a text for people and facts for code."""

import pickle

from curbd.errors import UserError, attempt, did_you_mean


def test_the_facts_of_a_mistake_are_attributes() -> None:
    error = UserError.at("rec: windows.table", found="'trial'", expected="one of trials", todo="did you mean 'trials'?")
    assert str(error) == "rec: windows.table: found 'trial', expected one of trials; did you mean 'trials'?"
    facts = ("rec: windows.table", "'trial'", "one of trials", "did you mean 'trials'?")
    # A worker process hands its error to the parent as a pickle.
    for copy in (error, pickle.loads(pickle.dumps(error))):
        assert (copy.where, copy.found, copy.expected, copy.todo) == facts
        assert str(copy) == str(error)


def test_an_error_of_several_mistakes_is_a_text() -> None:
    error = UserError("a: found b, expected c\nd: found e, expected f")
    assert (error.where, error.found, error.expected, error.todo) == ("", "", "", "")


def test_a_close_word_is_suggested() -> None:
    assert did_you_mean("trial", ["trials", "epochs"]) == "did you mean 'trials'?"
    assert did_you_mean("light", ["trials", "epochs"]) == ""


def test_mistakes_of_several_calls_are_collected() -> None:
    def positive(number: int) -> int:
        if number <= 0:
            raise UserError(f"found {number}, expected more than 0")
        return number

    results = [attempt(positive, number) for number in (1, -1, 0)]
    assert [number for number, _ in results] == [1, None, None]
    assert [text for _, texts in results for text in texts] == [
        "found -1, expected more than 0",
        "found 0, expected more than 0",
    ]
