"""Labels files: JSONL and CSV, plain and compressed, with every way they go wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.errors import InputError
from fairlead.core.nouns import JSON
from fairlead.edge.labels import read_labels

ids = st.text(min_size=1, max_size=12).filter(lambda text: text == text.strip() and "\x00" not in text)
texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip()) and text.lstrip()[0] not in "{["
)
answers = texts | st.dictionaries(
    st.text(max_size=5), st.integers() | st.booleans() | st.lists(st.text(max_size=3), max_size=3)
)
labels = st.dictionaries(ids, answers, min_size=1, max_size=8)
quiet = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def write(folder: Path, content: str | bytes, name: str = "labels") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


def jsonl(rows: list[tuple[str, JSON]]) -> str:
    return "".join(json.dumps({"id": key, "expected": value}) + "\n" for key, value in rows)


def as_csv(rows: list[tuple[str, JSON]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "expected"])
    writer.writerows((key, value if isinstance(value, str) else json.dumps(value)) for key, value in rows)
    return out.getvalue()


@quiet
@given(labels, st.randoms(use_true_random=False))
def test_order_repetition_compression_and_format_change_nothing(
    tmp_path: Path, expected: dict[str, JSON], random: object
) -> None:
    rows = list(expected.items())
    shuffled = random.sample(rows, len(rows))  # type: ignore[attr-defined]
    plain = read_labels(write(tmp_path, jsonl(rows)))
    others = [
        read_labels(write(tmp_path, jsonl(shuffled))),
        read_labels(write(tmp_path, jsonl([*rows, rows[0]]))),
        read_labels(write(tmp_path, gzip.compress(jsonl(shuffled).encode()))),
        read_labels(write(tmp_path, as_csv(shuffled))),
        read_labels(write(tmp_path, "\ufeff" + jsonl(rows))),
    ]
    assert dict(plain) == expected
    assert all(dict(other) == expected and other.hash == plain.hash for other in others)
    assert others[1].repeated == 1


@quiet
@given(labels, ids, answers)
def test_any_other_answer_is_another_hash(tmp_path: Path, expected: dict[str, JSON], key: str, value: JSON) -> None:
    changed = {**expected, key: value}
    one, other = (
        read_labels(write(tmp_path, jsonl(list(expected.items())))),
        read_labels(write(tmp_path, jsonl(list(changed.items())))),
    )
    assert (one.hash == other.hash) == (changed == expected)


def test_a_number_is_one_number_however_written_and_no_truth_value(tmp_path: Path) -> None:
    def hash_of(value: str) -> str:
        return read_labels(write(tmp_path, f'{{"id": "a", "expected": {value}}}')).hash

    assert hash_of("5") == hash_of("5.0") == hash_of("5e0")
    assert len({hash_of("1"), hash_of("true"), hash_of('"1"'), hash_of("[1]"), hash_of("1.5")}) == 5


def test_other_columns_and_separators_and_header_case_are_fine(tmp_path: Path) -> None:
    found = read_labels(write(tmp_path, 'note;ID;Expected\n"x; y";a;"1,5"\n;b;[1]\n\n'))
    assert dict(found) == {"a": "1,5", "b": [1]}
    assert dict(read_labels(write(tmp_path, '{"id": 7, "expected": "x", "who": "me"}\n\n'))) == {"7": "x"}


def test_conflicting_answers_name_both_lines(tmp_path: Path) -> None:
    rows: list[tuple[str, JSON]] = [("a", 1), ("b", 2), ("a", 3)]
    with pytest.raises(InputError, match=r"^labels lines 1 and 3 expect different answers to 'a'"):
        read_labels(write(tmp_path, jsonl(rows)))
    with pytest.raises(InputError, match=r"^labels lines 2 and 4 expect different answers to 'a'"):
        read_labels(write(tmp_path, as_csv(rows)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n \n", "is empty"),
        ("id,expected\n", "holds no labels"),
        ('{"id": "a", "expected": 1}\n{"id": "b"', "line 2: not JSON"),
        ('{"id": "a", "expected": 1}\n[1]\n', 'line 2: expected an object with "id" and "expected"'),
        ('{"id": "a"}\n', "line 1: expected an object"),
        ('{"id": "", "expected": 1}\n', "line 1: the id must be text"),
        ('{"id": true, "expected": 1}\n', "line 1: the id must be text"),
        ('{"id": "a", "expected": null}\n', "line 1: expected is null"),
        ('{"id": "a", "expected": NaN}\n', "line 1: not JSON"),
        ('{"id": "a", "expected": ' + "[" * 100_000 + "\n", "line 1: not JSON"),
        ("id,answer\na,1\n", "line 1: expected the columns id and expected"),
        ("id,expected\na\n", "line 2: 1 cells where the header has 2"),
        ("id,expected\na,\n", "line 2: expected is empty"),
        ("id,expected\n,1\n", "line 2: the id must be text"),
        ('id,expected\na,{"b": \n', "line 2: expected opens like JSON"),
        ('id,expected\na,"b" c\n', "line 2: "),
        (b"\xff\xfe\x00\x01binary", "not UTF-8"),
        (gzip.compress(b'{"id": "a", "expected": 1}\n' * 50, mtime=0)[:30], "cannot be decompressed"),
        (b"\x1f\x8bnot gzip at all", "cannot be decompressed"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_labels(write(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path)


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: longer than"):
        read_labels(write(tmp_path, gzip.compress(b'{"id": "' + b"a" * 17_000_000, 1)))
