//! A device that fails at the n-th operation, for every n of a fill: an error, or the right answer.

use std::sync::Arc;

use arraystore::Result;
use arraystore::array::Shape;
use arraystore::store::{ArrayStoreExt, MemoryStore, compare};
use arraystore::sys::{Existing, FaultPlan, FaultyMedium, MemoryMedium, Mode};

use crate::cases::sample;
use crate::subject::{Backend, Subject, context, tight};

const SHAPE: Shape = Shape::new(90, 70);

/// Fills over an existing file, syncs, reopens, reads: everything that can fail on the way may.
fn fill(subject: &Subject, seed: usize) -> Result<()> {
    let values = sample(SHAPE, seed);
    let mut store = subject.try_create::<f32>(SHAPE, Existing::Replace, &tight())?;
    store.fill_columns(&tight(), &mut |column, out| {
        out.copy_from_slice(&values.column(column).to_vec());
        Ok(())
    })?;
    store.sync()?;
    drop(store);
    let store = subject.try_open::<f32>(SHAPE, Mode::Read, &tight())?;
    let difference = compare(&*store, &MemoryStore::new(values), &tight())?;
    assert_eq!(difference, None, "a wrong answer");
    Ok(())
}

/// Whether the file holds the whole of one of the two fills.
fn holds(subject: &Subject, seed: usize) -> bool {
    let store = subject.open::<f32>(SHAPE, Mode::Read);
    compare(&*store, &MemoryStore::new(sample(SHAPE, seed)), &context()).unwrap().is_none()
}

pub fn at_every_operation(backend: Backend) {
    let inner = Arc::new(MemoryMedium::new());
    let faulty = |plan| Arc::new(FaultyMedium::new(Arc::clone(&inner) as _, plan));
    let sound = faulty(FaultPlan::default());
    let subject = Subject::on(backend, Arc::clone(&sound) as _);
    fill(&subject, 1).unwrap();
    let operations = sound.operations();
    assert!(operations > 10, "{operations} operations are no fill");

    let mut failed = 0;
    for only_one in [true, false] {
        for at in 0..operations {
            let plan = if only_one { FaultPlan::once(at) } else { FaultPlan::from(at) };
            let broken = Subject { medium: faulty(plan), ..subject.clone() };
            failed += u64::from(fill(&broken, 2).is_err());
            assert!(
                holds(&subject, 1) || holds(&subject, 2),
                "after a fault at operation {at} the file is neither the old nor the new one"
            );
            fill(&subject, 1).unwrap();
        }
    }
    assert!(failed > operations, "hints may fail unheard, but most operations may not: {failed}");
}
