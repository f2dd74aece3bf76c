"""Downloads that break off and archives that attack, served by a small HTTP server with ranges."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.corpora import download
from asrlab.corpora.download import Archive, fetch, install, unpack

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves `content` with ranges; breaks off or waits after `cut` bytes of a response while `cuts` are left."""

    content, etag, cut, cuts, stall, ranges, log = CONTENT, '"1"', None, 0, 0.0, True, None

    def do_GET(self):
        server = type(self)
        wanted = self.headers.get("Range")
        server.log.append((wanted, self.headers.get("If-Range")))
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range") in (None, server.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        body = server.content[start:]
        if server.cut is not None and server.cuts > 0:
            server.cuts -= 1
            self.wfile.write(body[: server.cut])
            self.wfile.flush()
            time.sleep(server.stall)
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def serving(**settings):
    handler = type("Handler", (Server,), {"log": [], **settings})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/corpus.tar.gz", handler
        finally:
            server.shutdown()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_whole_and_records_the_hash(tmp_path):
    with serving() as (url, handler):
        path = fetch(Archive(url), tmp_path, progress=False)
        assert fetch(Archive(url), tmp_path, progress=False) == path  # there already: nothing is asked for
    assert path.read_bytes() == CONTENT and len(handler.log) == 1
    assert names(tmp_path) == ["checksums.json", "corpus.tar.gz"]
    assert json.loads((tmp_path / "checksums.json").read_text()) == {url: {"sha256": SHA256, "bytes": len(CONTENT)}}


def test_goes_on_after_dropped_connections_within_one_call(tmp_path):
    with serving(cut=300_000, cuts=2) as (url, handler):
        path = fetch(Archive(url, SHA256), tmp_path, progress=False)
    assert path.read_bytes() == CONTENT
    assert [r for r, _ in handler.log] == [None, "bytes=300000-", "bytes=600000-"]
    assert handler.log[1][1] == '"1"'


def test_killed_process_leaves_a_part_and_the_next_call_finishes_it(tmp_path):
    code = f"""
        import pathlib, sys
        from asrlab.corpora.download import Archive, fetch
        fetch(Archive(sys.argv[1]), pathlib.Path({str(tmp_path)!r}), progress=False)
    """
    with serving(cut=600_000, cuts=1, stall=20) as (url, handler):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), url])
        part = tmp_path / "corpus.tar.gz.part"
        deadline = time.time() + 60
        while not (part.is_file() and part.stat().st_size > 200_000) and time.time() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        have = part.stat().st_size
        assert 200_000 < have < len(CONTENT) and not (tmp_path / "corpus.tar.gz").exists()
        path = fetch(Archive(url), tmp_path, progress=False)
    assert path.read_bytes() == CONTENT
    assert handler.log[-1] == (f"bytes={have}-", '"1"')


@pytest.mark.parametrize("change", ["etag", "ranges"])
def test_starts_anew_if_the_file_changed_or_the_server_knows_no_ranges(tmp_path, change):
    with serving(cut=300_000, cuts=1) as (url, handler):
        with pytest.raises(AsrlabError, match="300000 bytes are kept"):
            fetch(Archive(url), tmp_path, progress=False, attempts=1)
        handler.content = CONTENT[::-1]
        if change == "etag":
            handler.etag = '"2"'
        else:
            handler.ranges = False
        path = fetch(Archive(url), tmp_path, progress=False)
    assert path.read_bytes() == CONTENT[::-1]


def test_without_etag_or_hash_a_part_is_not_trusted(tmp_path):
    with serving(cut=300_000, cuts=1, etag="") as (url, handler):
        with pytest.raises(AsrlabError):
            fetch(Archive(url), tmp_path, progress=False, attempts=1)
        assert fetch(Archive(url), tmp_path, progress=False).read_bytes() == CONTENT
    assert handler.log == [(None, None), (None, None)]


def test_a_part_that_is_whole_needs_no_more(tmp_path):
    (tmp_path / "corpus.tar.gz.part").write_bytes(CONTENT)
    (tmp_path / "corpus.tar.gz.part-of").write_text('"1"')
    with serving() as (url, _):
        assert fetch(Archive(url, SHA256), tmp_path, progress=False).read_bytes() == CONTENT


def test_wrong_hash_is_refused_and_deleted(tmp_path):
    with serving() as (url, handler):
        with pytest.raises(AsrlabError, match="publisher states 0000"):
            fetch(Archive(url, "0" * 64), tmp_path, progress=False)
        assert names(tmp_path) == []
        fetch(Archive(url), tmp_path, progress=False).unlink()  # recorded now
        handler.content, handler.etag = CONTENT[1:], '"2"'
        with pytest.raises(AsrlabError, match=r"checksums\.json has recorded"):
            fetch(Archive(url), tmp_path, progress=False)
        assert names(tmp_path) == ["checksums.json"]


def test_a_wrong_address_is_not_asked_twice(tmp_path):
    with serving() as (url, handler):
        handler.do_GET = lambda self: (handler.log.append(1), self.send_error(404))
        with pytest.raises(AsrlabError, match="404"):
            fetch(Archive(url), tmp_path, progress=False)
        assert len(handler.log) == 1
    with pytest.raises(AsrlabError, match="check the network"):
        fetch(Archive("http://127.0.0.1:9/x.tar.gz"), tmp_path, progress=False, attempts=1)


def test_a_drip_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RATE_SECONDS", 0.2)

    class Drip(Server):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            with contextlib.suppress(OSError):
                for byte in CONTENT:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.02)

    began = time.monotonic()
    with ThreadingHTTPServer(("127.0.0.1", 0), Drip) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with pytest.raises(AsrlabError, match=r"TimeoutError.*bytes in .* s.*bytes are kept"):
            fetch(Archive(f"http://127.0.0.1:{server.server_port}/x.tar"), tmp_path, progress=False, attempts=2)
        server.shutdown()
    assert time.monotonic() - began < 60  # one byte every 20 ms would take six hours


def test_more_than_a_corpus_can_be_is_not_fetched(tmp_path):
    with serving() as (url, _), pytest.raises(AsrlabError, match="sends more than 1000 bytes"):
        fetch(Archive(url, max_bytes=1000), tmp_path, progress=False)


@pytest.mark.parametrize("records", ["[1]", '{"x": 1}', "{", "[" * 5000])
def test_records_that_are_no_table_are_named(tmp_path, records):
    (tmp_path / "checksums.json").write_text(records)
    with serving() as (url, _), pytest.raises(AsrlabError, match=r"checksums\.json: .*; delete it"):
        fetch(Archive(url), tmp_path, progress=False)


def test_a_python_that_cannot_check_an_archive_says_so(tmp_path, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(AsrlabError, match=r"update to 3\.10\.12"):
        unpack(tar(tmp_path / "a", ("top/a", b"x")), tmp_path / "made", inside="top")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that cannot be written")
def test_unwritable_folder(tmp_path):
    tmp_path.chmod(0o500)
    with serving() as (url, _), pytest.raises(AsrlabError, match="ASRLAB_CACHE"):
        fetch(Archive(url), tmp_path / "deeper", progress=False)


def test_a_file_in_the_way_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with serving() as (url, _), pytest.raises(AsrlabError, match="cannot be written"):
        fetch(Archive(url), tmp_path / "file" / "deeper", progress=False)


# --- archives ---------------------------------------------------------------------------------------------------------


def tar(path, *members, mode="w:gz"):
    """members: (name, bytes) for files, or a TarInfo made beforehand."""
    with tarfile.open(path, mode) as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                file.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive_zip(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("make", [tar, archive_zip])
def test_unpacks_the_folder_inside(tmp_path, make):
    archive = make(tmp_path / "a", ("top/x/a.txt", b"a"), ("top/b.txt", b"b" * 100_000), ("other/c", b"c"))
    target = unpack(archive, tmp_path / "corpora" / "made", inside="top")
    assert (target / "x/a.txt").read_bytes() == b"a" and (target / "b.txt").read_bytes() == b"b" * 100_000
    assert names(target.parent) == ["made"] and names(target) == ["b.txt", "x"]
    (target / "b.txt").write_text("mine")
    unpack(archive, target, inside="top")
    assert (target / "b.txt").read_text() == "mine"  # what is there stays


def test_links_that_stay_inside_become_copies(tmp_path):
    archive = tar(
        tmp_path / "a", ("top/x/a.txt", b"a"), special("top/y/s", tarfile.SYMTYPE, "../x/a.txt"),
        special("top/h", tarfile.LNKTYPE, "top/x/a.txt"),
    )  # fmt: skip
    target = unpack(archive, tmp_path / "made", inside="top")
    for name in ("y/s", "h"):
        assert (target / name).read_bytes() == b"a" and not (target / name).is_symlink()


def link_zip(path):
    info = zipfile.ZipInfo("top/link")
    info.external_attr = 0o120777 << 16
    return archive_zip(path, (info, b"/etc/passwd"))


ATTACKS = {
    "parent": lambda p: tar(p, ("top/a", b""), ("../evil", b"x")),
    "parent inside": lambda p: tar(p, ("top/../../evil", b"x")),
    "absolute": lambda p: tar(p, ("/evil", b"x")),
    "backslashes": lambda p: tar(p, ("top/..\\..\\evil", b"x")),
    "drive": lambda p: tar(p, ("C:/evil", b"x")),
    "symbolic link out": lambda p: tar(p, special("top/l", tarfile.SYMTYPE, "../../evil")),
    "symbolic link to root": lambda p: tar(p, special("top/l", tarfile.SYMTYPE, "/etc")),
    "write through a link": lambda p: tar(p, special("top/l", tarfile.SYMTYPE, "/etc"), ("top/l/evil", b"x")),
    "hard link out": lambda p: tar(p, special("top/l", tarfile.LNKTYPE, "../evil")),
    "dangling link": lambda p: tar(p, special("top/l", tarfile.SYMTYPE, "nowhere")),
    "link to itself": lambda p: tar(p, ("top/a", b"x"), special("top/a", tarfile.LNKTYPE, "top/./a")),
    "symbolic link to itself": lambda p: tar(p, ("top/a", b"x"), special("top/a", tarfile.SYMTYPE, "../top/a")),
    "device": lambda p: tar(p, special("top/d", tarfile.CHRTYPE)),
    "fifo": lambda p: tar(p, special("top/f", tarfile.FIFOTYPE)),
    "zip parent": lambda p: archive_zip(p, ("../evil", b"x")),
    "zip absolute": lambda p: archive_zip(p, ("/evil", b"x")),
    "zip link": link_zip,
    "bomb": lambda p: tar(p, ("top/zeros", bytes(3_000_000))),
    "zip bomb": lambda p: archive_zip(p, ("top/zeros", bytes(3_000_000))),
    "other corpus": lambda p: tar(p, ("another/a", b"")),
    "no archive": lambda p: p.write_bytes(b"<html>moved</html>"),
    "empty": lambda p: p.write_bytes(b""),
    "cut": lambda p: p.write_bytes(tar(p, ("top/a", os.urandom(99_999))).read_bytes()[:50_000]),
    "cut zip": lambda p: p.write_bytes(archive_zip(p, ("top/a", os.urandom(99_999))).read_bytes()[:50_000]),
    "gzip of nothing": lambda p: p.write_bytes(gzip.compress(b"nothing")),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_leave_nothing_behind(tmp_path, attack):
    inner = tmp_path / "in"
    inner.mkdir()
    ATTACKS[attack](inner / "archive")
    with pytest.raises(AsrlabError) as error:
        unpack(inner / "archive", inner / "made", inside="top", max_bytes=2_000_000)
    assert str(inner / "archive") in str(error.value)
    assert names(inner) == ["archive"] and names(tmp_path) == ["in"]


def test_damaged_bytes_anywhere_are_noticed(tmp_path):
    whole = tar(tmp_path / "whole", ("top/a", os.urandom(5_000)), ("top/b", os.urandom(5_000))).read_bytes()
    for at in range(20, len(whole), 997):
        (tmp_path / "archive").write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(AsrlabError, match="archive"):
            unpack(tmp_path / "archive", tmp_path / "made", inside="top")


def test_failure_in_the_conversion_leaves_nothing(tmp_path):
    archive = tar(tmp_path / "archive", ("top/a", b"a"))

    def interrupted(folder):
        assert (folder / "a").is_file()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "made", inside="top", convert=interrupted)
    assert names(tmp_path) == ["archive"]


def test_hidden_folders_of_killed_processes_go_after_a_day(tmp_path):
    archive = tar(tmp_path / "archive", ("top/a", b"a"))
    for name, age in ((".made-old", 90_000), (".made-new", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    unpack(archive, tmp_path / "made", inside="top")
    assert names(tmp_path) == [".made-new", "archive", "made"]


def test_install_fetches_unpacks_converts_and_tidies_up(tmp_path):
    content = tar(tmp_path / "x", ("top/a.raw", b"ab")).read_bytes()
    (tmp_path / "x").unlink()
    with serving(content=content) as (url, handler):
        for _ in range(2):
            install(Archive(url), tmp_path / "made", tmp_path / "downloads", "top", progress=False,
                    convert=lambda folder: (folder / "a.raw").rename(folder / "a.wav"))  # fmt: skip
    assert names(tmp_path / "made") == ["a.wav"] and names(tmp_path / "downloads") == ["checksums.json"]
    assert len(handler.log) == 1
