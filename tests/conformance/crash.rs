//! What is left of a file that grows where everything stops at once: the process, or the power.

use std::sync::Arc;

use arraystore::array::{Selection, Shape};
use arraystore::store::{ArrayStoreExt, Budget, Context, MemoryStore, compare};
use arraystore::sys::{DiskMedium, Existing, FaultPlan, FaultyMedium, MemoryMedium, Mode};
use arraystore::{ErrorKind, Result};
use ndarray::{Array2, Axis};

use crate::cases::sample;
use crate::growth::{along, joined};
use crate::medium::{LoggedMedium, images};
use crate::subject::{Backend, Subject, context};

/// With one line more, the header has a digit more.
const LINES: usize = 99;
const WIDTH: usize = 7;

fn lines(backend: Backend, many: usize, seed: usize) -> Array2<f32> {
    match along(backend.layout) {
        Axis(0) => sample(Shape::new(many, WIDTH), seed),
        _ => sample(Shape::new(WIDTH, many), seed),
    }
}

/// What the file holds before, and after each sync of [`grow`].
fn contents(backend: Backend) -> [Array2<f32>; 3] {
    let join =
        |to: &Array2<f32>, many, seed| joined(backend.layout, to, &lines(backend, many, seed));
    let before = lines(backend, LINES, 0);
    let first = join(&join(&before, 1, 1), 120, 2);
    let second = join(&first, 900, 3);
    [before, first, second]
}

/// Makes the file anew, as it is before.
fn make(subject: &Subject) {
    let values = lines(subject.backend, LINES, 0);
    let shape = Shape::new(values.nrows(), values.ncols());
    let mut store = subject.try_create::<f32>(shape, Existing::Replace, &context()).unwrap();
    store.write(&Selection::all(), values.view()).unwrap();
    store.sync().unwrap();
}

/// A budget that makes parts of what is appended.
fn budget() -> Context {
    Context::new(Budget::new(64 << 10))
}

/// Appends, syncs, appends, syncs, appends, and drops the handle. Tells of each sync that returned.
fn grow(subject: &Subject, synced: &dyn Fn()) -> Result<()> {
    let [before, _, second] = contents(subject.backend);
    let part = |many, seed| lines(subject.backend, many, seed);
    let shape = Shape::new(before.nrows(), before.ncols());
    let mut store = subject.try_open::<f32>(shape, Mode::ReadWrite, &budget())?;
    store.append(part(1, 1).view())?;
    store.append(part(120, 2).view())?;
    store.sync()?;
    synced();
    store.append_from(&MemoryStore::new(part(900, 3)), &budget())?;
    store.sync()?;
    synced();
    store.append(part(5, 4).view())?;
    drop(store);
    let store = subject.try_open::<f32>(
        Shape::new(second.nrows(), second.ncols()),
        Mode::Read,
        &budget(),
    )?;
    let difference = compare(&*store, &MemoryStore::new(second), &budget())?;
    assert_eq!(difference, None, "a wrong answer");
    Ok(())
}

/// Which of the contents the file holds, whole: a file without a header, by its length.
fn holds(subject: &Subject) -> Option<usize> {
    contents(subject.backend).iter().position(|values| {
        let shape = Shape::new(values.nrows(), values.ncols());
        match subject.try_open::<f32>(shape, Mode::Read, &context()) {
            Ok(store) => store.spec().shape == shape && store.to_array().unwrap() == *values,
            Err(error) => {
                assert!(subject.backend.file.ends_with(".bin"), "{error}");
                false
            }
        }
    })
}

pub fn at_every_operation(backend: Backend) {
    let inner = Arc::new(MemoryMedium::new());
    let faulty = |plan| Arc::new(FaultyMedium::new(Arc::clone(&inner) as _, plan));
    let subject = Subject::on(backend, faulty(FaultPlan::default()));
    make(&subject);
    let sound = faulty(FaultPlan::default());
    grow(&Subject { medium: Arc::clone(&sound) as _, ..subject.clone() }, &|| ()).unwrap();
    let operations = sound.operations();
    assert!(operations > 20, "{operations} operations are not all");
    for only_one in [true, false] {
        let mut last = 0;
        for at in 0..operations {
            make(&subject);
            let plan = if only_one { FaultPlan::once(at) } else { FaultPlan::from(at) };
            let grown = grow(&Subject { medium: faulty(plan), ..subject.clone() }, &|| ());
            let held = holds(&subject)
                .unwrap_or_else(|| panic!("after a fault at operation {at}: {grown:?}"));
            assert!(held >= last, "what a sync returned for is gone after operation {at}");
            last = held;
            if held == 0 {
                // As it was: what was ignored is in nobody's way.
                grow(&subject, &|| ()).unwrap();
            }
        }
        assert_eq!(last, 2);
    }
}

/// A power cut at any moment, on a disk that does what it was not asked to sync in any order and in part, leaves a file
/// that opens and holds what the last sync, or the one going on, made durable; and that grows as if nothing had been.
pub fn at_any_moment(backend: Backend) {
    let medium = LoggedMedium::new(Arc::new(DiskMedium::positioned()));
    let subject = Subject::on(backend, Arc::new(medium.clone()));
    make(&subject);
    let before = std::fs::read(subject.path()).unwrap();
    medium.take();
    grow(&subject, &|| medium.promise()).unwrap();
    let events = medium.take();
    let cut = Subject::on(backend, Arc::new(DiskMedium::mapped()));
    let images = images(&before, &events);
    assert!(images.len() > 30, "{} images", images.len());
    let mut seen = [0; 3];
    for (promises, image) in images {
        std::fs::write(cut.path(), &image).unwrap();
        let held = holds(&cut).unwrap_or_else(|| panic!("{} bytes", image.len()));
        assert!((promises..=promises + 1).contains(&held), "{held} after {promises} syncs");
        seen[held] += 1;
        let values = &contents(backend)[held];
        let shape = Shape::new(values.nrows(), values.ncols());
        let mut store = cut.open::<f32>(shape, Mode::ReadWrite);
        let tail = image.len() as u64 - before.len() as u64;
        let grown = values.len() as u64 * 4 - contents(backend)[0].len() as u64 * 4;
        assert_eq!(store.stats().ignored_bytes, tail - grown);
        let more = lines(backend, 3, 9);
        store.append(more.view()).unwrap();
        store.sync().unwrap();
        drop(store);
        let values = joined(backend.layout, values, &more);
        let shape = Shape::new(values.nrows(), values.ncols());
        let store = cut.open::<f32>(shape, Mode::Read);
        assert_eq!((store.spec().shape, store.stats().ignored_bytes), (shape, 0));
        assert!(store.to_array().unwrap() == values);
    }
    assert!(seen.iter().all(|&many| many > 0), "{seen:?}");
}

/// Of a file without a header a crash may leave more than is stated for it; cut to that, it is as it was.
pub fn without_a_header(backend: Backend) {
    let subject = Subject::on(backend, Arc::new(DiskMedium::positioned()));
    make(&subject);
    let shape = Shape::new(LINES, WIDTH);
    let mut store = subject.open::<f32>(shape, Mode::ReadWrite);
    store.append(lines(backend, 3, 1).view()).unwrap();
    let image = std::fs::read(subject.path()).unwrap();
    drop(store);
    assert_eq!(holds(&subject), Some(0));
    std::fs::write(subject.path(), &image).unwrap();
    let refused = subject.try_open::<f32>(shape, Mode::Read, &context()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Malformed);
    std::fs::write(subject.path(), &image[..LINES * WIDTH * 4]).unwrap();
    assert_eq!(holds(&subject), Some(0));
}
