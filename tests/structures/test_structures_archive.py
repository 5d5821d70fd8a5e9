"""Entries of the archive, served on this machine: fetched once, kept, checked, and clear words without a network."""

import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.structures import ArchiveEntry, cache_folder, fetch_entry, parse_archive_name, resolve_structure
from tomoset.structures.archive import ARCHIVE_URL

ALANINE = (("N", -0.97, 0.48, 0.5), ("CA", 0.26, 0.42, -0.25), ("C", 1.4, -0.2, 0.6), ("O", 2.3, -0.8, 0.05))
COLUMNS = "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id label_seq_id"
COLUMNS += " Cartn_x Cartn_y Cartn_z occupancy B_iso_or_equiv auth_seq_id auth_asym_id pdbx_PDB_model_num"


def entry_text() -> bytes:
    rows = [
        f"ATOM {i + 1} {name[0]} {name} . ALA A 1 1 {x} {y} {z} 1.0 20.0 1 A 1"
        for i, (name, x, y, z) in enumerate(ALANINE)
    ]
    loop = [f"_atom_site.{column}" for column in COLUMNS.split()]
    return "\n".join(["data_1ABC", "loop_", *loop, *rows, ""]).encode()


class Archive(HTTPServer):
    """Serves what ``answers`` holds, by path, and counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {
            "/1ABC.cif.gz": (200, gzip.compress(entry_text()), {})
        }
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body, headers = self.server.answers.get(self.path, (404, b"", {}))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("TOMOSET_PDB_URL", raising=False)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("pdb:6SCJ", ArchiveEntry(identifier="6scj")),
        ("PDB:6scj#1", ArchiveEntry(identifier="6scj", assembly="1")),
        ("pdb:1abc#deposited", ArchiveEntry(identifier="1abc", assembly="deposited")),
        (f"pdb:6scj@sha256:{'AB' * 32}", ArchiveEntry(identifier="6scj", sha256="ab" * 32)),
        (
            f"pdb:pdb_00006scj#2@sha256:{'0' * 64}",
            ArchiveEntry(identifier="pdb_00006scj", assembly="2", sha256="0" * 64),
        ),
    ],
)
def test_names_are_understood(name: str, entry: ArchiveEntry) -> None:
    assert parse_archive_name(name) == entry


@pytest.mark.parametrize("name", ["pdb:", "pdb:XSCJ", "pdb:6SC", "pdb:6SCJ@sha256:12", "pdb:../x", "6SCJ", "pdb:6SCJ#"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="expected pdb:ID"):
        parse_archive_name(name)


def test_entry_is_fetched_once_and_its_hash_kept(archive: Archive, tmp_path: Path) -> None:
    entry = parse_archive_name("pdb:1abc")
    path, digest = fetch_entry(entry, cache=tmp_path, base_url=archive.url)
    assert path.read_bytes() == entry_text()
    assert digest == hashlib.sha256(entry_text()).hexdigest()
    assert (tmp_path / "1abc.cif.sha256").read_text() == f"{digest}  1abc.cif\n"
    assert fetch_entry(entry, cache=tmp_path, base_url=archive.url) == (path, digest)
    assert archive.asked == ["/1ABC.cif.gz"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1abc.cif", "1abc.cif.sha256"]


def test_changed_file_is_noticed(archive: Archive, tmp_path: Path) -> None:
    entry = parse_archive_name("pdb:1abc")
    path, _ = fetch_entry(entry, cache=tmp_path, base_url=archive.url)
    path.write_bytes(entry_text().replace(b"20.0", b"21.0"))
    with pytest.raises(FormatError, match=r"pdb:1ABC: expected sha256 .* delete the cached file and its .sha256"):
        fetch_entry(entry, cache=tmp_path, base_url=archive.url)


def test_hash_of_the_recipe_must_match(archive: Archive, tmp_path: Path) -> None:
    right = hashlib.sha256(entry_text()).hexdigest()
    with pytest.raises(FormatError, match=f"expected sha256 {'1' * 64}, found {right}"):
        fetch_entry(parse_archive_name(f"pdb:1abc@sha256:{'1' * 64}"), cache=tmp_path, base_url=archive.url)
    assert not list(tmp_path.iterdir())  # what does not match is not kept
    fetch_entry(parse_archive_name(f"pdb:1abc@sha256:{right}"), cache=tmp_path, base_url=archive.url)
    with pytest.raises(FormatError, match="the recipe's"):
        fetch_entry(parse_archive_name(f"pdb:1abc@sha256:{'1' * 64}"), cache=tmp_path, base_url=archive.url)


def test_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    (tmp_path / "1abc.cif").write_bytes(entry_text())
    path, digest = fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url="https://nowhere.invalid")
    assert path == tmp_path / "1abc.cif"
    assert digest in (tmp_path / "1abc.cif.sha256").read_text()


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:  # a port that refuses: bound, not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputMissingError, match=r"cannot be reached .*put the entry's mmCIF file at .*1abc\.cif"):
            fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=url)
    assert not list(tmp_path.iterdir())


def test_silent_server_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputMissingError, match=r"cannot be reached \(.*timed out"):
            fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=url, timeout_s=0.1)


def test_unknown_entry_and_broken_server_are_told_apart(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="answers 404; check the identifier"):
        fetch_entry(parse_archive_name("pdb:9zzz"), cache=tmp_path, base_url=archive.url)
    archive.answers["/1ABC.cif.gz"] = (503, b"", {})
    with pytest.raises(InputMissingError, match=r"cannot be reached \(HTTP 503"):
        fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=archive.url)


def test_half_a_file_is_never_kept(archive: Archive, tmp_path: Path) -> None:
    packed = gzip.compress(entry_text())
    archive.answers["/1ABC.cif.gz"] = (200, packed[:-20], {"Content-Length": str(len(packed))})
    with pytest.raises(InputMissingError, match="cannot be reached"):
        fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=archive.url, timeout_s=1.0)
    archive.answers["/1ABC.cif.gz"] = (200, packed[:-20], {})
    with pytest.raises(FormatError, match="a whole mmCIF file"):
        fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=archive.url)
    archive.answers["/1ABC.cif.gz"] = (200, b"<html>log in</html>", {})
    with pytest.raises(FormatError, match="expected a gzip file"):
        fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=archive.url)
    assert not list(tmp_path.iterdir())


def test_plain_http_to_others_is_refused(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="expected an https:// address"):
        fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url="http://archive.invalid")
    archive.answers["/1ABC.cif.gz"] = (302, b"", {"Location": "ftp://archive.invalid/x"})
    with pytest.raises(InputMissingError, match="cannot be reached"):
        fetch_entry(parse_archive_name("pdb:1abc"), cache=tmp_path, base_url=archive.url)
    assert ARCHIVE_URL.startswith("https://")


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOMOSET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "tomoset"
    monkeypatch.setenv("TOMOSET_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("TOMOSET_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "tomoset"


def test_recipes_name_becomes_a_structure(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOMOSET_CACHE", str(tmp_path))
    monkeypatch.setenv("TOMOSET_PDB_URL", archive.url + "/")
    structure = resolve_structure("pdb:1abc", folder=tmp_path, name="peptide")
    assert structure.name == "peptide"
    assert len(structure.positions_angstrom_xyz) == len(ALANINE)
    assert f"pdb:1ABC@sha256:{hashlib.sha256(entry_text()).hexdigest()}" in structure.source
    with pytest.raises(ParameterError, match="expected one assembly"):
        resolve_structure("pdb:1abc#1", folder=tmp_path, name="peptide", assembly="2")
