"""Graders of the user's own."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fairlead.core.errors import FairleadError, InputError, UsageError
from fairlead.core.nouns import JSON, Answer, Endpoint, Failure, FailureKind, Grade, Message, Part, PartKind, Request
from fairlead.edge import plugins
from fairlead.edge.plugins import load_grader

REQUEST = Request(
    endpoint=Endpoint.CHAT,
    model="any",
    messages=(Message(role="user", parts=(Part(kind=PartKind.TEXT, text="What is 2 + 2?\nBe brief."),)),),
)
GRADERS = """
from fairlead.core.nouns import Grade
from closeness import near

def same(request, answer, expected):
    return answer.text == expected

def share(request, answer, expected):
    return near(answer.text, expected)

def worded(request, answer, expected):
    return Grade(score=0.5, reason="half right")

def short(request, answer):
    return len(answer.text) < 10

def lenient(request, answer, expected=None):
    return expected is None

def like(request, answer, expected, *, incumbent):
    return incumbent is not None and answer.text == incumbent.text

def breaks(request, answer, expected):
    return 1 / 0

def out_of_range(request, answer, expected):
    return expected

async def later(request, answer, expected):
    return 1

def too_few(request):
    return 1

def too_many(request, answer, expected, judge):
    return 1

number = 3
"""  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "closeness.py").write_text("def near(a, b):\n    return 0.25 if a != b else 1\n")
    path = tmp_path / "mine.py"
    path.write_text(GRADERS)
    return path


def grade(spec: str, text: str = "4", expected: JSON = "4", incumbent: Answer | None = None) -> Grade:
    return load_grader(spec).grade(request=REQUEST, answer=Answer(text=text), expected=expected, incumbent=incumbent)


def test_a_function_in_a_file_grades_with_bools_numbers_and_grades(file: Path) -> None:
    assert grade(f"{file}:same").score == 1.0
    assert grade(f"{file}:same", "5").score == 0.0
    assert grade(f"{file}:share", "5").score == 0.25
    assert grade(f"{file}:worded") == Grade(score=0.5, reason="half right")
    assert grade(f"{file}:like", incumbent=Answer(text="4")).score == 1.0


def test_labels_are_needed_only_where_the_function_asks_for_an_expected_answer(file: Path) -> None:
    needs = {name: load_grader(f"{file}:{name}").needs_expected for name in ("same", "short", "lenient", "like")}
    assert needs == {"same": True, "short": False, "lenient": False, "like": True}
    assert grade(f"{file}:short", expected=None).score == 1.0
    assert grade(f"{file}:lenient", expected=None).score == 1.0
    with pytest.raises(InputError, match="needs an expected answer, and there is none"):
        grade(f"{file}:same", expected=None)


def test_the_id_changes_with_the_file_and_not_with_its_folder(file: Path, tmp_path: Path) -> None:
    first = load_grader(f"{file}:same").id
    assert first.startswith("mine.py:same#")
    moved = tmp_path / "elsewhere" / "mine.py"
    moved.parent.mkdir()
    moved.write_text(GRADERS)
    sys.modules.pop("closeness", None)
    (moved.parent / "closeness.py").write_text("def near(a, b):\n    return 0\n")
    assert load_grader(f"{moved}:same").id == first
    file.write_text(GRADERS + "\n# a comment\n")
    assert load_grader(f"{file}:same").id != first
    assert load_grader(f"{file}:share").id != load_grader(f"{file}:same").id


def test_a_failed_answer_scores_0_without_asking(file: Path) -> None:
    answer = Answer(failure=Failure(kind=FailureKind.TIMEOUT, detail="60 s"))
    found = load_grader(f"{file}:breaks").grade(request=REQUEST, answer=answer, expected="4", incumbent=None)
    assert found == Grade(score=0.0, reason="no answer: timeout (60 s)")


def test_what_the_function_raises_is_one_line_that_says_where_and_on_what(file: Path) -> None:
    with pytest.raises(FairleadError) as caught:
        grade(f"{file}:breaks")
    line = str(caught.value)
    assert line.startswith("grader mine.py:breaks raised ZeroDivisionError: division by zero at mine.py:")
    assert "What is 2 + 2?" in line
    assert "\n" not in line


@pytest.mark.parametrize("result", [1.5, -0.1, float("nan"), float("inf"), "0.5", None, [1], {"score": 1}])
def test_a_result_that_is_no_score_is_an_error(file: Path, result: JSON) -> None:
    with pytest.raises(InputError, match=r"grader mine.py:out_of_range (gave|needs)"):
        grade(f"{file}:out_of_range", expected=result)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("later", "is async"),
        ("too_few", "must take"),
        ("too_many", "must take"),
        ("number", "cannot be called"),
        ("absent", "there is no 'absent' in it"),
        ("not a name", "cannot be read"),
    ],
)
def test_what_is_no_grader_is_refused_at_once(file: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_grader(f"{file}:{name}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def f(:", "SyntaxError"),
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines at bad.py:1"),
    ],
)
def test_a_file_that_does_not_load_is_said_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_grader(f"{path}:f")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="does not exist"):
        load_grader(f"{tmp_path / 'none.py'}:f")


def test_a_function_in_a_module_is_found_by_its_dotted_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    monkeypatch.delitem(sys.modules, "closeness", raising=False)
    found = load_grader("mine:same")
    assert found.id.startswith("mine:same#")
    assert found.grade(request=REQUEST, answer=Answer(text="4"), expected="4", incumbent=None).score == 1.0
    monkeypatch.delitem(sys.modules, "mine")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_grader("no.such.module:f")
    with pytest.raises(UsageError, match="no source file"):
        load_grader("sys:intern")


def test_an_installed_grader_is_found_by_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    monkeypatch.delitem(sys.modules, "closeness", raising=False)
    point = EntryPoint(name="theirs", value="mine:same", group=plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda *, group: [point] if group == plugins.GROUP else [])
    assert plugins.installed_graders() == ("theirs",)
    assert load_grader("theirs").id.startswith("theirs#")
    with pytest.raises(UsageError, match=r"no grader 'other' \(installed: theirs\)"):
        load_grader("other")
    monkeypatch.delitem(sys.modules, "mine")
