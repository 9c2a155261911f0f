//! Rows and columns appended in place.

use std::fs;

use arraystore::array::{DType, Order, Shape};
use arraystore::format::npy;
use arraystore::store::{OpenOptions, open};
use serde_json::json;

use super::Place;

#[test]
fn rows_are_appended_to_c_order_and_columns_to_fortran_order() {
    for access in ["", "--backend seek", "--io positioned", "--memory 64KiB"] {
        let place = Place::new();
        place.does("create whole.npy --shape 3000x40 --fill uniform --seed 1");
        for (order, kept, rest) in
            [("c", "--rows :99", "--rows 99:"), ("f", "--columns :9", "--columns 9:")]
        {
            place.does(&format!("extract whole.npy {kept} --out part.npy --force"));
            place.does(&format!("convert part.npy {order}.npy --order {order}"));
            place.does(&format!("extract whole.npy {rest} --out rest.npy --force"));
            // The values may lie in any order and layout.
            let values = match access {
                "" => "rest.npy",
                "--backend seek" => "rest-f.npy --order f",
                "--io positioned" => "rest.npz --layout csc",
                _ => "rest.npz --layout csr",
            };
            let name = values.split(' ').next().unwrap();
            if name != "rest.npy" {
                place.does(&format!("convert rest.npy {values} --force"));
            }
            let said = place.does(&format!("append {order}.npy --from {name} {access}"));
            assert_eq!(said, "");
            let line = place.does(&format!("verify {order}.npy whole.npy"));
            assert_eq!(line, "equal: 3000x40 f32, every bit\n", "{order} {access}");
            let info = place.json(&format!("info {order}.npy --json"));
            assert_eq!(info["bytes_on_disk"], 128 + 3000 * 40 * 4);
        }
    }
}

#[test]
fn sparse_files_grow_by_their_lines_whatever_is_appended() {
    for access in ["", "--io positioned", "--memory 64KiB"] {
        let place = Place::new();
        place.does("create whole.npy --shape 3000x40 --fill uniform --density 0.1 --seed 1");
        for (layout, kept, rest) in
            [("csr", "--rows :99", "--rows 99:"), ("csc", "--columns :9", "--columns 9:")]
        {
            place.does(&format!("extract whole.npy {kept} --out kept.npy --force"));
            place.does(&format!("extract whole.npy {rest} --out rest.npy --force"));
            for values in ["rest.npy", "rest-csr.npz --layout csr", "rest-csc.npz --layout csc"] {
                let name = values.split(' ').next().unwrap();
                if name != "rest.npy" {
                    place.does(&format!("convert rest.npy {values} --force"));
                }
                place.does(&format!("convert kept.npy grown.npz --layout {layout} --force"));
                assert_eq!(place.does(&format!("append grown.npz --from {name} {access}")), "");
                let line = place.does("verify grown.npz whole.npy");
                assert_eq!(line, "equal: 3000x40 f32, every bit\n", "{layout} {values} {access}");
                assert_eq!(place.json("info grown.npz --json")["layout"], layout);
            }
        }
    }
}

#[test]
fn a_file_without_a_header_is_stated_anew() {
    let place = Place::new();
    place.twelve("a.npy");
    place.does("convert a.npy raw");
    place.does("append raw --shape 3x4 --dtype i32 --from a.npy");
    let text = place.does("extract a.npy");
    assert_eq!(place.does("extract raw --shape 6x4 --dtype i32"), text.repeat(2));
    place.refuses("extract raw --shape 3x4 --dtype i32", &["raw", "96 bytes"]);
    place.refuses("append raw --from a.npy", &["raw", "--shape and --dtype"]);
}

#[test]
fn arrays_of_other_dimensions_grow_along_the_axis_that_can() {
    let place = Place::new();
    let write = |name: &str, order, shape: &[usize], from: i16| {
        let values: Vec<i16> = (from..).take(shape.iter().product()).collect();
        let header = npy::header_bytes(DType::I16, order, shape).unwrap();
        fs::write(place.path(name), [&header, bytemuck::cast_slice(&values)].concat()).unwrap();
    };
    for (name, order, shape, more, grown, file_shape) in [
        ("cube", Order::C, &[2, 3, 4][..], &[5, 3, 4][..], json!([7, 12]), json!([7, 3, 4])),
        ("fortran", Order::Fortran, &[2, 3, 4], &[2, 3, 1], json!([6, 5]), json!([2, 3, 5])),
        ("line", Order::C, &[8], &[4], json!([12, 1]), json!([12])),
    ] {
        write("file.npy", order, shape, 0);
        write("more.npy", order, more, shape.iter().product::<usize>() as i16);
        place.does("append file.npy --from more.npy");
        let info = place.json("info file.npy --json");
        assert_eq!((&info["shape"], &info["file_shape"]), (&grown, &file_shape), "{name}");
        let file_shape: Vec<usize> = serde_json::from_value(file_shape).unwrap();
        write("whole.npy", order, &file_shape, 0);
        let bytes = |name: &str| fs::read(place.path(name)).unwrap();
        assert_eq!(bytes("file.npy"), bytes("whole.npy"), "{name}");
    }
    write("scalar.npy", Order::C, &[], 0);
    place.refuses("append scalar.npy --from scalar.npy", &["scalar.npy", "itself"]);
    write("one.npy", Order::C, &[1, 1], 0);
    place.refuses("append scalar.npy --from one.npy", &["scalar.npy", "a scalar"]);
    write("flat.npy", Order::Fortran, &[8], 0);
    write("column.npy", Order::C, &[8, 1], 0);
    place.refuses("append flat.npy --from column.npy", &["flat.npy", "1-D array in Fortran order"]);
}

#[test]
fn an_append_that_was_not_finished_is_told_and_carried_on_from() {
    let place = Place::new();
    place.twelve("a.npy");
    // As a crash leaves it: copied while rows are being appended.
    let mut store = open::<i32>(place.path("a.npy"), &OpenOptions::read_write()).unwrap();
    store.append(ndarray::Array2::ones((5, 4)).view()).unwrap();
    assert_eq!(store.spec().shape, Shape::new(8, 4));
    assert_eq!(store.get(7, 3).unwrap(), 1);
    fs::copy(place.path("a.npy"), place.path("b.npy")).unwrap();
    drop(store);

    let line = "ignored  an append was not finished; 80 bytes behind the data are ignored\n";
    let text = place.does("info b.npy");
    assert!(text.contains("shape    3x4\n") && text.contains(line), "{text}");
    let info = place.json("info b.npy --json");
    assert_eq!((&info["ignored_bytes"], &info["bytes_on_disk"]), (&json!(80), &json!(256)));
    assert!(!place.does("info a.npy").contains("ignored"));
    assert_eq!(place.does("verify a.npy b.npy"), "equal: 3x4 i32, every bit\n");
    place.does("convert b.npy c.npy");
    assert_eq!(fs::read(place.path("c.npy")).unwrap(), fs::read(place.path("a.npy")).unwrap());

    place.npy::<i32>("v.npy", 1, 4, &[7, 8, 9, 10]);
    place.does("append b.npy --from v.npy");
    assert_eq!(place.does("extract b.npy --rows -1"), "7 8 9 10\n");
    let info = place.json("info b.npy --json");
    assert_eq!((&info["shape"], &info["ignored_bytes"]), (&json!([4, 4]), &json!(0)));
    // Without the mark, what follows the data is a mistake.
    let mut bytes = fs::read(place.path("b.npy")).unwrap();
    bytes.push(0);
    fs::write(place.path("b.npy"), bytes).unwrap();
    place.refuses("info b.npy", &["b.npy", "over-long"]);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_the_file_as_it_is() {
    let place = Place::new();
    place.twelve("a.npy");
    place.npy::<i32>("narrow.npy", 3, 3, &[1; 9]);
    place.npy::<i32>("low.npy", 2, 4, &[1; 8]);
    place.npy::<i64>("long.npy", 3, 4, &[1; 12]);
    place.npy::<i32>("wide.npy", 3, 5, &[1; 15]);
    place.does("convert a.npy f.npy --order f");
    place.does("convert a.npy sparse.npz");
    // As NumPy wrote headers once: no longer than they must be.
    let text = b"{'descr': '<i4', 'fortran_order': False, 'shape': (3, 4), }";
    let length = u16::try_from(text.len() + 1).unwrap().to_le_bytes();
    let values = [0; 48];
    let tight = [&b"\x93NUMPY\x01\x00"[..], &length, text, b"\n", &values].concat();
    fs::write(place.path("tight.npy"), tight).unwrap();
    let before = place.names().into_iter().map(|name| (fs::read(place.path(&name)).unwrap(), name));
    let before: Vec<_> = before.collect();
    for (arguments, words) in [
        ("append a.npy", &["--from"][..]),
        ("append a.npy --from a.npy", &["a.npy", "appended to itself"]),
        ("append a.npy --from ./a.npy", &["a.npy", "appended to itself"]),
        ("append a.npy --from none.npy", &["none.npy", "No such file"]),
        ("append none.npy --from a.npy", &["none.npy", "No such file"]),
        ("append a.npy --from narrow.npy", &["a.npy", "rows of 4 elements", "have 3"]),
        ("append f.npy --from low.npy", &["f.npy", "columns of 3 elements", "have 2"]),
        ("append a.npy --from long.npy", &["a.npy", "holds i32", "are i64"]),
        ("append a.npy --from f.npy --memory 1", &["budget"]),
        ("append sparse.npz --from long.npy", &["sparse.npz", "holds i32", "are i64"]),
        ("append sparse.npz --from wide.npy", &["sparse.npz", "rows of 4 elements", "have 5"]),
        ("append tight.npy --from a.npy", &["tight.npy", "no room for a longer shape"]),
        ("append a.npy --from f.npy --shape 3x4", &["a.npy", "--shape"]),
    ] {
        place.refuses(arguments, words);
    }
    let stderr = place.run("append tight.npy --from a.npy").stderr;
    assert!(stderr.contains("hint: convert it"), "{stderr}");
    for (bytes, name) in before {
        assert!(fs::read(place.path(&name)).unwrap() == bytes, "{name}");
    }
}
