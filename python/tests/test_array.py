"""What a lazy array is and does, beside indexing."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import arraystore


def test_tells_what_it_is_without_reading(path: Path, order: str) -> None:
    a = arraystore.open(path, memory="1MiB")
    assert (a.shape, a.ndim, a.size, a.nbytes, a.dtype) == ((300, 7), 2, 2100, 8400, np.dtype("f4"))
    assert (a.order, a.mode, a.backend, a.memory, len(a)) == (order, "r", "memmap", 1 << 20, 300)
    assert a.chunks == (300, 7)
    assert "shape (300, 7), float32" in repr(a)
    a.close()
    assert "closed" in repr(a)


def test_files_without_headers(tmp_path: Path, values: np.ndarray, order: str) -> None:
    (tmp_path / "raw").write_bytes(b"x" * 8 + values.tobytes(order))
    with arraystore.open(tmp_path / "raw", dtype="f4", shape=(300, 7), order=order, offset=8) as a:
        np.testing.assert_array_equal(a[:, 3], values[:, 3])
    with arraystore.open(tmp_path / "raw", dtype="f4", shape=(10, 30, 7), order="C", offset=8) as a:
        assert a.shape == (10, 30, 7)
        if order == "C":
            np.testing.assert_array_equal(a[4, 2], values.reshape(10, 30, 7)[4, 2])
    with pytest.raises(ValueError, match="300"):
        arraystore.open(tmp_path / "raw", dtype="f8", shape=(300, 7), offset=8)
    with pytest.raises(ValueError, match="both"):
        arraystore.open(tmp_path / "raw", dtype="f8")


def test_maps_without_copying(path: Path, values: np.ndarray) -> None:
    a = arraystore.open(path)
    view = a.numpy()
    np.testing.assert_array_equal(view, values)
    assert not view.flags.owndata and not view.flags.writeable
    del a
    np.testing.assert_array_equal(view[:, 2], values[:, 2])
    with arraystore.open(path) as a:
        pass
    with pytest.raises(ValueError, match="closed"):
        a.numpy()


def test_becomes_an_array_of_numpy_and_says_how_large(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path) as a:
        np.testing.assert_array_equal(np.asarray(a), values)
        np.testing.assert_array_equal(np.asarray(a, "f8"), values)
        with pytest.raises(ValueError, match="copied"):
            np.asarray(a, copy=False)
    with arraystore.open(path, memory="4KiB") as a, pytest.warns(arraystore.LargeCopyWarning, match=r"8\.2 KiB"):
        np.asarray(a)


def test_rows_columns_and_batches(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path) as a:
        np.testing.assert_array_equal(np.concatenate(list(a.rows())), values)
        assert [len(batch) for batch in a.rows(batch=128)] == [128, 128, 44]
        np.testing.assert_array_equal(np.stack(list(a.columns()), axis=1), values)
        np.testing.assert_array_equal(np.stack(list(a)), values)
        shuffled = list(a.batches(64, shuffle=True, seed=5))
        again = list(a.batches(64, shuffle=True, seed=5))
        for one, other in zip(shuffled, again, strict=True):
            np.testing.assert_array_equal(one, other)
        found = np.concatenate(shuffled)
        assert not np.array_equal(found, values)
        np.testing.assert_array_equal(found[np.argsort(found[:, 0])], values)
        order = np.arange(300)
        np.random.default_rng(5).shuffle(order)
        np.testing.assert_array_equal(found, values[order])
        with pytest.raises(ValueError, match="at least one row"):
            a.batches(0)


def test_batches_of_other_shapes(tmp_path: Path, order: str) -> None:
    for shape in [(50,), (50, 3, 4), (0, 3), (50, 0)]:
        values = np.arange(int(np.prod(shape)), dtype="i4").reshape(shape)
        np.save(tmp_path / "a.npy", np.asarray(values, order=order))
        with arraystore.open(tmp_path / "a.npy") as a:
            batches = list(a.batches(7))
            assert all(batch.shape[1:] == shape[1:] for batch in batches)
            np.testing.assert_array_equal(np.concatenate([np.empty((0, *shape[1:]), "i4"), *batches]), values)


def test_a_stream_that_is_left_lets_the_file_go(path: Path) -> None:
    a = arraystore.open(path)
    for _ in a.batches(1, prefetch=1):
        break
    a.close()
    arraystore.open(path, mode="r+").close()


def test_creates_and_fills(tmp_path: Path, values: np.ndarray, order: str) -> None:
    target = tmp_path / "b.npy"
    with arraystore.create(target, (300, 7), "f4", order) as b:
        assert not target.exists()
        b.fill_columns(lambda column: values[:, column])
    np.testing.assert_array_equal(np.load(target), values)
    with pytest.raises(FileExistsError) as told:
        arraystore.create(target, (3, 3), "f4")
    assert told.value.errno == errno.EEXIST and told.value.filename == str(target)
    with arraystore.create(target, (300, 7), "f4", order, overwrite=True) as b:
        b.fill_columns([values[:, :3], values[:, 3], values[:, 4:]])
    np.testing.assert_array_equal(np.load(target), values)
    with arraystore.create(tmp_path / "c.npy", (2, 3, 4), "i2", order) as c:
        c[1, :, 2] = [1, 2, 3]
    assert np.load(tmp_path / "c.npy")[1, :, 2].tolist() == [1, 2, 3]


def test_what_fails_while_filling_leaves_no_file(tmp_path: Path, values: np.ndarray) -> None:
    target = tmp_path / "b.npy"
    with pytest.raises(ZeroDivisionError), arraystore.create(target, (300, 7), "f4") as b:
        b.fill_columns(lambda column: values[:, column] * (6 // (3 - column)))
    assert list(tmp_path.iterdir()) == []
    for given in ([values[:, 0]], [values], [values[:9, 0]], [values, values]):
        with arraystore.create(target, (300, 6), "f4", overwrite=True) as b:
            with pytest.raises(ValueError, match="columns"):
                b.fill_columns(given)
            b.close()
    assert list(tmp_path.iterdir()) == []


def test_writes_in_place_and_appends(path: Path, values: np.ndarray, order: str) -> None:
    with arraystore.open(path, mode="r+") as a:
        a[:, 2] = 9
        a[[5, -1], 1:3] = [[1, 2], [3, 4]]
        lines = np.ones((2, 7) if order == "C" else (300, 2), "f4")
        a.append(lines)
        assert a.shape == ((302, 7) if order == "C" else (300, 9))
        assert a[-1, -1] == 1
    values = values.copy()
    values[:, 2] = 9
    values[[5, -1], 1:3] = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(np.load(path), np.concatenate([values, lines], axis=0 if order == "C" else 1))


def test_refuses_to_write_where_it_reads(path: Path) -> None:
    with arraystore.open(path) as a:
        with pytest.raises(ValueError, match="read-only"):
            a[0, 0] = 1
        with pytest.raises(ValueError, match="reading only"):
            a.append(np.ones((1, 7), "f4") if a.order == "C" else np.ones((300, 1), "f4"))


def test_errors_are_of_fitting_kinds(tmp_path: Path, path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        arraystore.open(tmp_path / "none.npy")
    assert told.value.errno == errno.ENOENT and told.value.filename == str(tmp_path / "none.npy")
    with pytest.raises(OSError):
        arraystore.open(tmp_path)
    (tmp_path / "bad.npy").write_bytes(b"no header")
    with pytest.raises(ValueError):
        arraystore.open(tmp_path / "bad.npy")
    (tmp_path / "short.npy").write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="byte"):
        arraystore.open(tmp_path / "short.npy")
    with pytest.raises(ValueError, match="backend"):
        arraystore.open(path, backend="tape")
    with pytest.raises(ValueError, match="mode"):
        arraystore.open(path, mode="w")
    with pytest.raises(ValueError, match="size"):
        arraystore.open(path, memory="much")
    with arraystore.open(path, mode="r+"), pytest.raises(BlockingIOError):
        arraystore.open(path)
    with arraystore.open(path, memory=1) as a:
        if a.order == "F":  # A map lends its columns, which takes no memory.
            assert len(list(a.columns())) == 7
        else:
            with pytest.raises(MemoryError, match="at least"):
                list(a.columns())


def test_use_after_closing(path: Path) -> None:
    a = arraystore.open(path)
    a.close()
    a.close()
    for use in (lambda: a[0], lambda: a[0, 0], lambda: a[:, 1], a.digest, lambda: list(a.rows()), lambda: pickle.dumps(a)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_pickles_are_small_and_open_the_same_file(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path, backend="seek", memory="2MiB") as a:
        pickled = pickle.dumps(a)
        assert len(pickled) <= 1024
        with pickle.loads(pickled) as b:
            assert (b.backend, b.memory, type(b)) == ("seek", 2 << 20, type(a))
            np.testing.assert_array_equal(b[...], values)
    os.utime(path, ns=(0, 0))
    with pytest.raises(ValueError, match="written to since"):
        pickle.loads(pickled)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="host"):
        pickle.loads(pickled)


def test_an_array_that_is_written_to_is_not_pickled(path: Path) -> None:
    with arraystore.open(path, mode="r+") as a, pytest.raises(TypeError, match="one process writes"):
        pickle.dumps(a)


def _in_child(work, answers) -> None:
    try:
        answers.put(work())
    except Exception as error:
        answers.put(repr(error))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_reads_by_itself(path: Path, values: np.ndarray) -> None:
    context = multiprocessing.get_context("fork")
    with arraystore.open(path) as a, arraystore.open(path) as other:
        list(a.columns())
        answers = context.Queue()
        work = lambda: float(np.stack(list(a.columns()), axis=1).sum())  # noqa: E731
        child = context.Process(target=_in_child, args=(work, answers))
        child.start()
        assert answers.get(timeout=30) == float(values.sum())
        child.join(timeout=30)
        assert child.exitcode == 0
        np.testing.assert_array_equal(other[...], values)
    with arraystore.open(path, mode="r+") as a:
        a[0, 0] = 5
        child = context.Process(target=_in_child, args=(lambda: a[0], answers))
        child.start()
        assert "only the parent writes" in answers.get(timeout=30)
        child.join(timeout=30)
        assert a[0, 0] == 5
    assert np.load(path)[0, 0] == 5


def test_threads_read_at_once(path: Path, values: np.ndarray) -> None:
    wrong = []
    with arraystore.open(path) as a:

        def read(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(300):
                rows = rng.integers(0, 300, 5)
                if not np.array_equal(a[rows], values[rows]):
                    wrong.append(rows)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_plans_say_what_will_be_read(path: Path) -> None:
    with arraystore.open(path) as a:
        plan = a.plan[:, 0]
        assert plan["bytes_requested"] == 1200 and plan["steps"]
        assert "asked for 1.17 KiB" in a.explain((slice(None), 0))
        assert "moves" in a.explain("batches", batch=16)
        with pytest.raises(ValueError, match="none of"):
            a.explain("dance")


def test_products(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path) as a:
        np.testing.assert_allclose(a @ np.ones(7, "f4"), values.sum(axis=1))
        np.testing.assert_allclose(np.ones(300, "f4") @ a, values.sum(axis=0), rtol=1e-6)
        with pytest.raises(TypeError, match="convert the factor"):
            a @ np.ones(7, "f8")
        with pytest.raises(ValueError):
            a @ np.ones(6, "f4")


def test_converts_verifies_and_digests(path: Path, tmp_path: Path, values: np.ndarray, order: str) -> None:
    other = "F" if order == "C" else "C"
    with arraystore.convert(path, tmp_path / "b.npy", order=other) as b:
        assert b.order == other
        np.testing.assert_array_equal(b[...], values)
    assert arraystore.verify(path, tmp_path / "b.npy") is None
    assert arraystore.digest(path) == arraystore.digest(tmp_path / "b.npy")
    with arraystore.open(tmp_path / "b.npy", mode="r+") as b:
        b[4, 5] = -1
    found = arraystore.verify(path, tmp_path / "b.npy")
    assert found is not None and (found.cells, found.first) == (1, (4, 5))


def test_converts_to_names_of_other_endings(path: Path, tmp_path: Path, values: np.ndarray, order: str) -> None:
    with arraystore.convert(path, tmp_path / "b.raw") as b:
        assert b.order == order
        np.testing.assert_array_equal(b[...], values)
    with arraystore.convert(path, tmp_path / "C.NPZ") as c:
        np.testing.assert_array_equal(c.toarray(), values)


def test_advice_is_given_in_words_of_python(path: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"1234")
    told = []
    for use in (
        lambda: arraystore.create(path, (2, 2), "f4"),
        lambda: arraystore.open(tmp_path / "raw"),
        lambda: list(arraystore.open(path, memory=1).batches(300, shuffle=True)),
        lambda: arraystore.open(tmp_path / "none"),
    ):
        with pytest.raises((OSError, ValueError, MemoryError)) as raised:
            use()
        told.append(str(raised.value))
    assert "overwrite=True" in told[0] and "dtype= and shape=" in told[1] and "memory=" in told[2], told
    assert not any("--" in words or "os error" in words for words in told), told


def test_the_command_line_is_there(path: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "arraystore", "digest", path], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == arraystore.digest(path)
    failed = subprocess.run([sys.executable, "-m", "arraystore", "info", tmp_path / "none.npy"], capture_output=True, text=True)
    assert failed.returncode == 2 and failed.stderr.startswith("error: ")


def test_compares_backends(tmp_path: Path) -> None:
    what = ["--shape", "2000x10", "--density", "1", "--workloads", "scan", "--regimes", "warm"]
    samples = arraystore.compare(*what, "--no-probe", "--samples", "1")
    assert {sample["backend"] for sample in samples} == {"memmap", "seek", "sparse-csr", "sparse-csc"}
    assert all(sample["seconds"] > 0 for sample in samples)


def test_a_long_operation_hears_ctrl_c(tmp_path: Path) -> None:
    import signal

    with arraystore.create(tmp_path / "a.npy", (100_000, 500), "f8") as a:
        a[::1000] = 1
    with arraystore.open(tmp_path / "a.npy") as a:
        main = threading.get_ident()
        # A program that was begun in the background ignores it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        killer = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT))
        killer.start()
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 5:
                a.digest()
        except KeyboardInterrupt:
            pass
        else:
            pytest.fail("not interrupted")
        finally:
            killer.join()
            signal.signal(signal.SIGINT, before)


def test_what_would_wait_for_itself_is_refused(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path, mode="r+") as a:
        rows = a.rows(batch=10)
        np.testing.assert_array_equal(next(rows), values[:10])
        with pytest.raises(ValueError, match="iterated over"):
            a[0] = 1
        del rows
        a[0] = 1
        with pytest.raises(ValueError, match="being filled"):
            a.fill_columns(lambda column: a[:, column])
        with pytest.raises(ValueError, match="being filled"):
            a.fill_columns(lambda column: a.close() or values[:, column])
        a.fill_columns(lambda column: values[:, column])
    np.testing.assert_array_equal(np.load(path), values)


def test_closing_ends_iterations(path: Path) -> None:
    a = arraystore.open(path)
    rows = a.rows(batch=1)
    next(rows)
    a.close()
    with pytest.raises(ValueError, match="closed"):
        list(rows)
    with pytest.raises(ValueError, match="closed"):
        a[[0, 250], [1, 2]]
    arraystore.open(path, mode="r+").close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_iteration_stays_with_its_process(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with arraystore.open(path) as a:
        rows = iter(a.read_columns(2))
        next(rows)
        child = context.Process(target=_in_child, args=(lambda: next(rows), answers))
        child.start()
        assert "begun before" in answers.get(timeout=30)
        child.join(timeout=30)
        assert child.exitcode == 0
        assert len(list(rows)) == 6


def test_functions_of_numpy_take_it(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path) as a:
        np.testing.assert_array_equal(np.negative(a), -values)
        np.testing.assert_array_equal(values + a, values * 2)
        np.testing.assert_array_equal(np.add.reduce(a, axis=1), values.sum(axis=1))
        with pytest.raises(TypeError):
            np.negative(values, out=a)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("backend", ["memmap", "seek"])
def test_rows_and_elements_of_every_type(tmp_path: Path, order: str, dtype: str, backend: str) -> None:
    values = np.asarray((np.arange(60) % 7).reshape(10, 6).astype(dtype), order=order)
    np.save(tmp_path / "a.npy", values)
    with arraystore.open(tmp_path / "a.npy", backend=backend) as a:
        for row in (0, -1, 4):
            assert a[row].dtype == values.dtype and a[row].tolist() == values[row].tolist()
            np.testing.assert_array_equal(a[np.int64(row)], values[row])
            np.testing.assert_array_equal(a[np.array(row)], values[row])
            assert a[np.int32(row), np.array(2)] == values[row, 2]
            element = a[row, -2]
            assert type(element) is type(values[row, -2]) and element == values[row, -2]
            a[row][0] = 0
            assert a[row].tolist() == values[row].tolist()
        with pytest.raises(IndexError, match="index 10 is out of bounds for axis 0 with size 10"):
            a[10]
        with pytest.raises(IndexError, match="index -7 is out of bounds for axis 1 with size 6"):
            a[0, -7]
        with pytest.raises(IndexError):
            a[1 << 70]


@pytest.mark.parametrize("is_long", [False, True])
def test_a_panic_is_an_exception(is_long: bool) -> None:
    from arraystore import _arraystore

    with pytest.raises(RuntimeError, match="a mistake of its own: asked for by a test"):
        _arraystore._panic(is_long)


def test_stays_where_it_was_opened(path: Path, values: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with arraystore.open(path.name) as a:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with pickle.loads(pickle.dumps(a)) as b:
            np.testing.assert_array_equal(b[3], values[3])
        np.testing.assert_array_equal(a.numpy(), values)
        np.testing.assert_array_equal(a[[0, 299], [1, 2]], values[[0, 299], [1, 2]])
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        child = context.Process(target=_in_child, args=(lambda: a[3].tolist(), answers))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child.start()
        assert answers.get(timeout=30) == values[3].tolist()
        child.join(timeout=30)


def test_maps_only_the_file_that_was_opened(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path) as a:
        other = path.with_suffix(".new")
        other.write_bytes(b"x" * path.stat().st_size)
        other.replace(path)
        np.testing.assert_array_equal(a[...], values)
        with pytest.raises(ValueError, match="anew"):
            a.numpy()


def test_what_is_written_in_mode_c_stays_in_memory(path: Path, values: np.ndarray) -> None:
    with arraystore.open(path, mode="c") as a:
        a[0] = -5
        assert a[0].tolist() == [-5] * 7
        np.testing.assert_array_equal(a[1:], values[1:])
        with pytest.raises(TypeError, match="mode 'c'"):
            pickle.dumps(a)
    np.testing.assert_array_equal(np.load(path), values)


def test_arrays_without_axes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.float32(3))
    with arraystore.open(tmp_path / "a.npy") as a:
        assert (a.shape, a[()], np.asarray(a).shape) == ((), 3, ())
        with pytest.raises(TypeError, match="unsized"):
            len(a)
