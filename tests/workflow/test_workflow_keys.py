"""Content keys: equal for equal work, different for different work."""

from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tomoset.workflow.keys import content_key, raw_fingerprint


@dataclass(frozen=True)
class Params:
    a: float
    b: tuple[int, ...]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_keys_differ_exactly_when_parameters_do(a: float, b: float) -> None:
    keys = [content_key("stage", "1", Params(value, (1, 2)), {"raw": "x"}) for value in (a, b)]
    assert (keys[0] == keys[1]) == (a == b)


def test_stage_version_and_inputs_enter_the_key() -> None:
    keys = {
        content_key(stage, version, Params(1.0, ()), {"raw": raw})
        for stage in ("a", "b")
        for version in ("1", "2")
        for raw in ("x", "y")
    }
    assert len(keys) == 8


def test_fingerprint_sees_a_change_of_size_name_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    body = bytearray(300_000)
    seen = set()
    for position in (None, 10, 299_990):
        if position is not None:
            body[position] ^= 1
        path.write_bytes(bytes(body))
        seen.add(raw_fingerprint([path]))
    path.write_bytes(bytes(body) + b"1")
    seen.add(raw_fingerprint([path]))
    seen.add(raw_fingerprint([path.rename(tmp_path / "other.tif")]))
    assert len(seen) == 5


def test_fingerprint_does_not_depend_on_order_or_place(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_bytes(b"a")
        (tmp_path / folder / "b").write_bytes(b"b")
    first = raw_fingerprint([tmp_path / "one" / "a", tmp_path / "one" / "b"])
    assert first == raw_fingerprint([tmp_path / "two" / "b", tmp_path / "two" / "a"])
