"""Makes HDF5 files as others make them, and looks at those that are made here.

    python3 tests/python/hdf5.py make FOLDER

leaves files in FOLDER, each array in them beside it as an .npy too, and prints a line for each: the place of the dataset, a tab,
and that .npy, or what refuses it begins with, behind an exclamation mark.

    python3 tests/python/hdf5.py check FILE.h5:/NAME=EXPECTED.npy...

fails where h5py reads another array than NumPy, or an offset that is no page's.
"""

import sys
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import tables


class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.count = 0

    def tell(self, place, array):
        self.count += 1
        expected = self.path / f"expected-{self.count}.npy"
        np.save(expected, np.asarray(array, order="C"))
        print(f"{self.path / place}\t{expected}")

    def refuse(self, place, why):
        print(f"{self.path / place}\t!{why}")


def values(shape, dtype, seed=1):
    random = np.random.default_rng(seed)
    numbers = random.integers(-1000, 1000, shape)
    if np.dtype(dtype).kind == "c":
        return (numbers + 1j * numbers[::-1]).astype(dtype)
    if np.dtype(dtype).kind == "b":
        return numbers > 0
    return (numbers / 7 if np.dtype(dtype).kind == "f" else numbers).astype(dtype)


DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]


def make_h5py(folder, name, **options):
    with h5py.File(folder.path / name, "w", **options) as file:

        def put(place, array, **how):
            file.create_dataset(place, data=array, **how)
            folder.tell(f"{name}:/{place}", array)

        for dtype in DTYPES:
            put(f"types/{dtype.replace('?', 'bool')}", values((13, 7), dtype))
        for dtype in [">i2", ">i8", ">f4", ">f8"]:
            put(f"swapped/{dtype[1:]}", values((13, 7), dtype))
            put(f"swapped/chunked-{dtype[1:]}", values((13, 7), dtype), chunks=(4, 3))
        for number, how in enumerate(
            [
                {},
                {"compression": "gzip"},
                {"compression": "gzip", "shuffle": True},
                {"compression": "lzf"},
                {"compression": "lzf", "shuffle": True, "fletcher32": True},
                {"fletcher32": True},
                {"compression": "gzip", "shuffle": True, "fletcher32": True},
            ]
        ):
            for chunks in [(10, 10), (100, 1), (1, 53), (33, 20), (100, 53)]:
                put(f"filters/{number}-{chunks[0]}x{chunks[1]}", values((100, 53), "f4"), chunks=chunks, **how)
        # What cannot be made smaller is stored as it is, filter by filter.
        noise = np.random.default_rng(2).integers(0, 2**32, (50, 20)).astype("u4")
        put("filters/noise", noise, chunks=(16, 16), compression="lzf", shuffle=True)
        put("axes/0", values((), "f8"))
        put("axes/1", values((1001,), "i4"), chunks=(100,))
        put("axes/3", values((9, 10, 11), "f8"), chunks=(4, 3, 5), compression="gzip")
        put("axes/4-contiguous", values((3, 4, 5, 6), "i2"))
        put("axes/none", values((0, 5), "f4"))
        put("axes/no-columns", values((5, 0), "f4"))
        put("text/größe", values((4, 4), "f4"))

        partly = file.create_dataset("partly", (50, 40), "f4", chunks=(8, 8), fillvalue=7.5, compression="gzip")
        partly[10:20, 5:30] = values((10, 25), "f4")
        folder.tell(f"{name}:/partly", partly[:])
        never = file.create_dataset("never", (5, 4), "i4", fillvalue=-3)
        folder.tell(f"{name}:/never", never[:])
        never = file.create_dataset("never-chunked", (50, 40), ">i4", chunks=(8, 8), fillvalue=-3)
        folder.tell(f"{name}:/never-chunked", never[:])
        grown = file.create_dataset("grown", (30, 10), "f8", maxshape=(None, 10), chunks=(8, 4), compression="gzip")
        grown[:] = values((30, 10), "f8")
        grown.resize((45, 10))
        grown[30:] = values((15, 10), "f8", 3)
        folder.tell(f"{name}:/grown", grown[:])
        grown = file.create_dataset("shrunk", (30, 10), "f8", maxshape=(None, 10), chunks=(8, 4))
        grown[:] = values((30, 10), "f8")
        grown.resize((11, 10))
        folder.tell(f"{name}:/shrunk", grown[:])
        space = h5py.h5s.create_simple((6, 5))
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        low = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_DOUBLE, space, dcpl=compact)
        h5py.Dataset(low)[:] = values((6, 5), "f8")
        folder.tell(f"{name}:/compact", values((6, 5), "f8"))

        both = file.create_dataset("both", (20, 10), "f4", maxshape=(None, None), chunks=(8, 4))
        both[:] = values((20, 10), "f4")
        if "libver" in options:
            folder.refuse(f"{name}:/both", "")
        else:
            folder.tell(f"{name}:/both", both[:])
        file.create_dataset("words", data=["a", "b"])
        folder.refuse(f"{name}:/words", "elements of type")
        file.create_dataset("null", data=h5py.Empty("f4"))
        folder.refuse(f"{name}:/null", "a dataset that says of no shape")
        file.create_dataset("pairs", data=np.zeros(3, [("a", "f4"), ("b", "i4")]))
        folder.refuse(f"{name}:/pairs", "elements of type compound")
        file.create_dataset("shuffled", data=values((10, 10), "f4"), chunks=(4, 4), shuffle=True)
        folder.refuse(f"{name}:/shuffled", "chunks at the dataset's edge")
        layout = h5py.VirtualLayout((4, 4), "f4")
        layout[:] = h5py.VirtualSource(file["text/größe"])
        file.create_virtual_dataset("virtual", layout)
        folder.refuse(f"{name}:/virtual", "a virtual dataset")
        outside = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        outside.set_external(b"outside.bin", 0, h5py.h5f.UNLIMITED)
        h5py.h5d.create(file.id, b"outside", h5py.h5t.NATIVE_DOUBLE, space, dcpl=outside)
        folder.refuse(f"{name}:/outside", "elements in files beside it")
    folder.refuse(f"{name}:/types", "no dataset")
    folder.refuse(f"{name}:/nothing/there", "no dataset")
    folder.refuse(name, "holds several datasets")


def make(path):
    folder = Folder(path)
    make_h5py(folder, "earliest.h5")
    make_h5py(folder, "later.hdf5", libver=("v114", "v114"))
    with h5py.File(folder.path / "newest.h5", "w", libver="latest") as file:
        file["plain"] = values((5, 6), "f4")
        file.create_dataset("packed", data=values((50, 60), "f4"), chunks=(8, 8), compression="gzip")
    folder.tell("newest.h5:/plain", values((5, 6), "f4"))
    if h5py.version.hdf5_version_tuple >= (2, 0, 0):
        folder.refuse("newest.h5:/packed", "data layout version")
    make_h5py(folder, "userblock.h5", userblock_size=1024)
    with h5py.File(folder.path / "only.h5", "w") as file:
        file["a/b/only"] = values((5, 6), "f4")
    folder.tell("only.h5", values((5, 6), "f4"))
    with h5py.File(folder.path / "empty.h5", "w"):
        pass
    folder.refuse("empty.h5", "holds no dataset")
    (folder.path / "none.h5").write_bytes(b"not HDF5 at all" * 100)
    folder.refuse("none.h5", "")
    whole = (folder.path / "only.h5").read_bytes()
    (folder.path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    folder.refuse("cut.h5", "")

    with tables.open_file(folder.path / "pytables.h5", "w") as file:
        array = values((40, 30), "f8")
        file.create_array("/", "array", array)
        folder.tell("pytables.h5:/array", array)
        for library, how in [("zlib", True), ("zlib", False), ("lzo", False)]:
            if tables.which_lib_version(library) is None:
                continue
            name = f"{library}_{how}".lower()
            filters = tables.Filters(complevel=5, complib=library, shuffle=how, fletcher32=how)
            file.create_carray("/", name, obj=array, filters=filters)
            if library == "zlib":
                folder.tell(f"pytables.h5:/{name}", array)
            else:
                folder.refuse(f"pytables.h5:/{name}", "filter 305")
        file.create_carray("/", "blosc", obj=array, filters=tables.Filters(complevel=5, complib="blosc"))
        folder.refuse("pytables.h5:/blosc", "filter 32001")
        rows = file.create_earray("/", "rows", tables.Float64Atom(), (0, 30), filters=tables.Filters(1, "zlib"))
        rows.append(array)
        rows.append(array)
        folder.tell("pytables.h5:/rows", np.vstack([array, array]))

    with netCDF4.Dataset(folder.path / "netcdf.nc", "w") as file:
        for name, length in [("time", None), ("y", 12), ("x", 9)]:
            file.createDimension(name, length)
        array = values((5, 12, 9), "f4")
        packed = file.createVariable("packed", "f4", ("time", "y", "x"), zlib=True, shuffle=True)
        packed[:] = array
        plain = file.createVariable("plain", "i2", ("y", "x"), contiguous=True)
        plain[:] = values((12, 9), "i2")
    folder.tell("netcdf.nc:/packed", array)
    folder.tell("netcdf.nc:/plain", values((12, 9), "i2"))


def check(pairs):
    for pair in pairs:
        place, expected = pair.rsplit("=", 1)
        path, name = place.split(":/", 1)
        expected = np.load(expected)
        with h5py.File(path, "r") as file:
            dataset = file[name]
            assert dataset.chunks is None
            offset = dataset.id.get_offset()
            assert offset is None or offset % 4096 == 0, offset
            found = dataset[()]
        assert found.dtype == expected.dtype, (place, found.dtype, expected.dtype)
        np.testing.assert_array_equal(found, expected, strict=True)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    make(*arguments) if mode == "make" else check(arguments)
