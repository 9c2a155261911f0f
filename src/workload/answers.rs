//! The right answers, and whether an answer is one of them.

use ndarray::Array2;

use super::spmv::Product;
use super::sums::{add_tile, zeros};
use super::{Choice, Generated, Value, Workload, epoch};
use crate::array::{Axis, Digest, Digester, Selection, Shape, dispatch};
use crate::error::Result;
use crate::store::{AnyStore, ArrayStore, ArrayStoreExt, Context, TileOrder, digest_block};
use crate::with_store;

/// Selected values held at once while their digest is made, in bytes, where the budget allows.
const PIECE_BYTES: u64 = 64 << 20;

/// How closely sums must agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exactness {
    /// In every bit: the sums are exact whatever the order of addition.
    Exact,
    /// Within this share of the sum of the column's magnitudes: what the order of addition in f64 can make
    /// of a sum, and no more.
    Within(f64),
}

impl Exactness {
    /// For sums of `rows` whole numbers of units, each at most `units`.
    ///
    /// Each of n − 1 additions rounds by at most 2⁻⁵³ of what has been summed so far, which is at most the sum
    /// of magnitudes; both sides may have rounded (Higham, Accuracy and Stability of Numerical
    /// Algorithms, 2002, §4.2). Values that f64 rounds by itself (64-bit integers) count as two more.
    pub(super) fn of(rows: usize, units: f64) -> Self {
        let rows = rows as f64;
        if rows == 0.0 || rows * units <= (1u64 << 53) as f64 {
            return Self::Exact;
        }
        Self::Within((rows + 2.0) * f64::EPSILON)
    }

    /// Whether `found` agrees with the sum `right` of values whose magnitudes sum to `magnitude`.
    fn allows(self, found: f64, right: f64, magnitude: f64) -> bool {
        match self {
            Self::Within(share) if right.is_finite() => (found - right).abs() <= share * magnitude,
            // Not by bits: the sum of nothing may be 0 or −0, and NaN has many.
            _ => found == right || (found.is_nan() && right.is_nan()),
        }
    }
}

/// The right answers to the workloads over one matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    matrix: Digest,
    selections: Vec<(Workload, Digest)>,
    sums: Vec<f64>,
    magnitudes: Vec<f64>,
    exactness: Exactness,
    /// The product with a vector, where it was asked for.
    product: Option<Product>,
    /// The weighted sums of an epoch, where they were asked for.
    epoch: Option<Epoch>,
}

/// Weighted sums, and how closely they must agree.
#[derive(Debug, Clone, PartialEq)]
struct Epoch {
    sums: Vec<f64>,
    exactness: Exactness,
}

impl Answers {
    /// The right answers to `workloads` over generated data, of the cells that follow from `choice`.
    ///
    /// # Errors
    /// Where the context is cancelled or its budget too small.
    pub fn of_generated(
        data: &Generated,
        choice: impl Into<Choice>,
        workloads: &[Workload],
        context: &Context,
    ) -> Result<Self> {
        let choice = choice.into();
        let survey = data.survey(context)?;
        let epoch = epoch_order(data.shape, choice.seed, workloads)
            .map(|order| epoch::sums_of_generated(data, &order, context))
            .transpose()?;
        let product =
            asks_product(workloads).then(|| Product::of_generated(data, context)).transpose()?;
        dispatch!(data.dtype, T => Ok(Self {
            product,
            matrix: survey.digest,
            selections: selections(data.shape, (choice, workloads), context, |selection| {
                data.select::<T>(selection)
            })?,
            sums: survey.sums,
            magnitudes: survey.magnitudes,
            exactness: Exactness::of(data.shape.rows, T::GENERATED_UNITS),
            epoch: epoch.map(|sums| Epoch::new(sums, data.shape.rows, T::GENERATED_UNITS)),
        }))
    }

    /// The right answers to `workloads` over the matrix in `store`: an input, opened by a backend that is trusted.
    ///
    /// # Errors
    /// Where reading fails, the context is cancelled or its budget too small.
    pub fn of_store<T: Value>(
        store: &dyn ArrayStore<Elem = T>,
        choice: impl Into<Choice>,
        workloads: &[Workload],
        context: &Context,
    ) -> Result<Self> {
        let (shape, choice) = (store.spec().shape, choice.into());
        let (mut sums, mut magnitudes) = (zeros(shape.cols)?, zeros(shape.cols)?);
        store.visit(
            TileOrder::Any,
            &mut |tile| {
                add_tile(&tile, &mut sums, T::addend, context);
                add_tile(&tile, &mut magnitudes, T::magnitude, context);
                Ok(())
            },
            context,
        )?;
        let epoch = epoch_order(shape, choice.seed, workloads)
            .map(|order| epoch::sums_of_store(store, &order, context))
            .transpose()?;
        let product =
            asks_product(workloads).then(|| Product::of_store(store, context)).transpose()?;
        Ok(Self {
            product,
            epoch: epoch.map(|sums| Epoch::new(sums, shape.rows, T::UNITS)),
            matrix: store.digest(context)?,
            selections: selections(shape, (choice, workloads), context, |selection| {
                store.select(selection)
            })?,
            sums,
            magnitudes,
            exactness: Exactness::of(shape.rows, T::UNITS),
        })
    }

    /// [`Answers::of_store`] for a store of any element type.
    ///
    /// # Errors
    /// As [`Answers::of_store`].
    pub fn of_any(
        store: &AnyStore,
        choice: Choice,
        workloads: &[Workload],
        context: &Context,
    ) -> Result<Self> {
        with_store!(store, store => Self::of_store(&**store, choice, workloads, context))
    }

    /// The digest of the whole matrix.
    pub fn matrix(&self) -> Digest {
        self.matrix
    }

    /// The digest of what `workload` selects, as a matrix of its own; for a fill that of the last column;
    /// none for visits, and for what was not asked for.
    pub fn selection(&self, workload: Workload) -> Option<Digest> {
        let workload = selecting(workload);
        self.selections.iter().find(|(of, _)| *of == workload).map(|&(_, digest)| digest)
    }

    /// Each column's sum.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// How closely sums must agree.
    pub fn exactness(&self) -> Exactness {
        self.exactness
    }

    /// Checks the digest of a whole matrix: the file that a fill left, or all values that a visit saw.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_matrix(&self, found: Digest) -> Result<(), String> {
        check_digest("the matrix", self.matrix, found)
    }

    /// Checks the digest of the values that an extract answered with, or of the column that a fill kept.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_selection(&self, workload: Workload, found: Digest) -> Result<(), String> {
        let what = match workload {
            Workload::FillColumns => "the last column",
            _ => "the selection",
        };
        match self.selection(workload) {
            Some(right) => check_digest(what, right, found),
            None => Err(format!("no values of {workload} were made")),
        }
    }

    /// Checks the sums that a visit answered with.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_sums(&self, workload: Workload, found: &[f64]) -> Result<(), String> {
        let (sums, exactness) = match (workload, &self.epoch) {
            (Workload::ShuffleEpoch, Some(epoch)) => (&epoch.sums, epoch.exactness),
            (Workload::ShuffleEpoch, None) => return Err("no sums of an epoch were made".into()),
            _ => (&self.sums, self.exactness),
        };
        check_numbers("column", found, sums, &self.magnitudes, exactness)
    }

    /// Checks the product that `spmv` answered with.
    ///
    /// # Errors
    /// One line that says what differs.
    pub fn check_product(&self, found: &[f64]) -> Result<(), String> {
        match &self.product {
            Some(Product { values, magnitudes, exactness }) => {
                check_numbers("row", found, values, magnitudes, *exactness)
            }
            None => Err("no product was made".into()),
        }
    }
}

/// Checks the sum of each `what`. Magnitudes are needed where sums are not exact.
fn check_numbers(
    what: &str,
    found: &[f64],
    right: &[f64],
    magnitudes: &[f64],
    exactness: Exactness,
) -> Result<(), String> {
    if found.len() != right.len() {
        return Err(format!("{} sums where {} are right", found.len(), right.len()));
    }
    let magnitude = |at: usize| magnitudes.get(at).copied().unwrap_or_default();
    let differs = |&at: &usize| !exactness.allows(found[at], right[at], magnitude(at));
    let Some(at) = (0..found.len()).find(differs) else { return Ok(()) };
    let others = (at + 1..found.len()).filter(differs).count();
    let others = if others == 0 { String::new() } else { format!(", and {others} others") };
    Err(format!("{what} {at} sums to {:?} where {:?} is right{others}", found[at], right[at]))
}

fn asks_product(workloads: &[Workload]) -> bool {
    workloads.contains(&Workload::Spmv)
}

impl Epoch {
    /// For sums over `rows` whole numbers of units, each at most `units`.
    fn new(sums: Vec<f64>, rows: usize, units: f64) -> Self {
        let most = f64::from(epoch::WEIGHTS);
        let exactness = match Exactness::of(rows, units * most) {
            // What is summed is up to so many times as large.
            Exactness::Within(share) => Exactness::Within(share * most),
            exact => exact,
        };
        Self { sums, exactness }
    }
}

/// The order of an epoch, if it is among `workloads`.
fn epoch_order(shape: Shape, seed: u64, workloads: &[Workload]) -> Option<Vec<usize>> {
    workloads.iter().find_map(|workload| workload.order(shape, seed))
}

fn check_digest(what: &str, right: Digest, found: Digest) -> Result<(), String> {
    if found == right {
        return Ok(());
    }
    Err(format!("the digest of {what} is {found} where {right} is right"))
}

/// The workload that selects what `workload` has an answer of: a fill keeps the last column.
fn selecting(workload: Workload) -> Workload {
    match workload {
        Workload::FillColumns => Workload::ExtractColumn,
        other => other,
    }
}

/// The digest of the selection of each workload that is asked for, of a matrix of `shape` that `select` gives parts of.
fn selections<T: Value>(
    shape: Shape,
    (choice, workloads): (Choice, &[Workload]),
    context: &Context,
    select: impl Fn(&Selection) -> Result<Array2<T>>,
) -> Result<Vec<(Workload, Digest)>> {
    let mut digests = Vec::new();
    for workload in Workload::ALL {
        if !workloads.iter().any(|&asked| selecting(asked) == workload) {
            continue;
        }
        if let Some(selection) = workload.selection(shape, choice) {
            digests.push((workload, selection_digest(shape, &selection, context, &select)?));
        }
    }
    Ok(digests)
}

/// The digest of a selection as a matrix of its own, made piece by piece.
fn selection_digest<T: Value>(
    shape: Shape,
    selection: &Selection,
    context: &Context,
    select: &impl Fn(&Selection) -> Result<Array2<T>>,
) -> Result<Digest> {
    let (rows, cols) = selection.resolve(shape)?;
    let mut digester = Digester::new(Shape::new(rows.len(), cols.len()), T::DTYPE);
    // A quarter of the budget: the store that is read may draw on the same.
    let piece = (context.available_bytes() / 4).min(PIECE_BYTES) as usize / size_of::<T>();
    let width = piece.min(cols.len()).max(1);
    let height = (piece / width).clamp(1, rows.len().max(1));
    let _held = context.reserve((width * height * size_of::<T>()) as u64)?;
    for row in (0..rows.len()).step_by(height) {
        let some_rows = rows.part(row..rows.len().min(row + height));
        for col in (0..cols.len()).step_by(width) {
            let some_cols = cols.part(col..cols.len().min(col + width));
            let values = select(&Selection::block(Axis::from(some_rows), Axis::from(some_cols)))?;
            digest_block(&mut digester, row, col, values.view());
            context.advance((values.len() * size_of::<T>()) as u64)?;
        }
    }
    Ok(digester.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::DType;
    use crate::store::MemoryStore;

    fn data(dtype: DType, density: f64) -> Generated {
        Generated { seed: 5, shape: Shape::new(300, 20), dtype, density }
    }

    fn digest<T: Value>(array: &Array2<T>) -> Digest {
        let mut digester = Digester::new(Shape::new(array.nrows(), array.ncols()), T::DTYPE);
        digester.block(0, 0, array.view());
        digester.finish()
    }

    #[test]
    fn a_store_of_generated_data_has_the_answers_of_generated_data() {
        let context = Context::default().with_threads(2);
        for dtype in DType::ALL {
            for density in [1.0, 0.1, 0.0] {
                let data = data(dtype, density);
                let made = Answers::of_generated(&data, 9, &Workload::ALL, &context).unwrap();
                let read = dispatch!(dtype, T => {
                    let all: Array2<T> = data.select(&Selection::all()).unwrap();
                    Answers::of_store(&MemoryStore::new(all), 9, &Workload::ALL, &context).unwrap()
                });
                assert_eq!(made.matrix(), read.matrix(), "{dtype}");
                assert_eq!(made.selections, read.selections, "{dtype}");
                made.check_sums(Workload::Scan, read.sums()).unwrap();
                read.check_sums(Workload::ShuffleEpoch, &made.epoch.as_ref().unwrap().sums)
                    .unwrap();
                read.check_sums(Workload::Scan, made.sums()).unwrap();
                read.check_product(&made.product.as_ref().unwrap().values).unwrap();
                made.check_product(&read.product.as_ref().unwrap().values).unwrap();
            }
        }
    }

    #[test]
    fn selections_have_the_digest_of_their_values_in_c_order_whatever_the_pieces() {
        let data = data(DType::F32, 0.5);
        let small = Context::new(crate::store::Budget::new(1 << 20));
        let tiny = Context::new(crate::store::Budget::new(800));
        let answers = Answers::of_generated(&data, 9, Workload::USUAL, &small).unwrap();
        for workload in Workload::ALL {
            let Some(selection) = workload.selection(data.shape, 9) else { continue };
            let right = digest(&data.select::<f32>(&selection).unwrap());
            answers.check_selection(workload, right).unwrap();
            let select = |part: &Selection| data.select::<f32>(part);
            let pieces = selection_digest(data.shape, &selection, &tiny, &select).unwrap();
            assert_eq!(pieces, right, "{workload}");
        }
        let last: Array2<f32> = data.select(&Selection::column(19)).unwrap();
        answers.check_selection(Workload::FillColumns, digest(&last)).unwrap();
        let fill = [Workload::FillColumns];
        let answers = Answers::of_generated(&data, 9, &fill, &small).unwrap();
        answers.check_selection(Workload::FillColumns, digest(&last)).unwrap();
        // What was not asked for was not made: of a large sparse matrix it may be more than anything holds.
        assert_eq!(answers.selection(Workload::ExtractRows), None);
        assert!(answers.check_selection(Workload::ExtractBlock, digest(&last)).is_err());
    }

    #[test]
    fn wrong_answers_are_told_in_one_line() {
        let data = data(DType::F32, 1.0);
        let workloads = Workload::USUAL;
        let answers = Answers::of_generated(&data, 9, workloads, &Context::default()).unwrap();
        assert_eq!(answers.exactness(), Exactness::Exact);
        answers.check_matrix(answers.matrix()).unwrap();
        let other = answers.selection(Workload::ExtractBlock).unwrap();
        for message in [
            answers.check_matrix(other),
            answers.check_selection(Workload::ExtractRows, other),
            answers.check_selection(Workload::FillColumns, other),
            answers.check_selection(Workload::Scan, other),
            answers.check_sums(Workload::Scan, &answers.sums()[1..]),
        ] {
            let message = message.unwrap_err();
            assert!(!message.contains('\n'), "{message}");
        }
        let mut sums = answers.sums().to_vec();
        sums[3] = sums[3].next_up();
        sums[7] = f64::NAN;
        let message = answers.check_sums(Workload::Scan, &sums).unwrap_err();
        assert!(message.starts_with("column 3 sums to ") && message.ends_with(", and 1 others"));
    }

    #[test]
    fn sums_that_rounding_moves_are_right_and_sums_of_less_precision_are_not() {
        let rows = 50_000;
        let values = Array2::from_shape_fn((rows, 1), |(i, _)| 1.0 / (i as f32 + 1.5));
        let store = MemoryStore::new(values.clone());
        let answers = Answers::of_store(&store, 0, &[], &Context::default()).unwrap();
        assert!(matches!(answers.exactness(), Exactness::Within(_)));
        let forwards: f64 = values.iter().map(|&v| f64::from(v)).sum();
        let backwards: f64 = values.column(0).iter().rev().map(|&v| f64::from(v)).sum();
        answers.check_sums(Workload::Scan, &[forwards]).unwrap();
        answers.check_sums(Workload::Scan, &[backwards]).unwrap();
        let single: f32 = values.iter().sum();
        answers.check_sums(Workload::Scan, &[f64::from(single)]).unwrap_err();
        answers.check_sums(Workload::Scan, &[f64::NAN]).unwrap_err();
    }

    #[test]
    fn sums_that_are_no_numbers_agree_with_their_like() {
        let values = ndarray::array![[f32::NAN, f32::INFINITY, 1.0]];
        let answers =
            Answers::of_store(&MemoryStore::new(values), 0, &[], &Context::default()).unwrap();
        answers.check_sums(Workload::Scan, &[-f64::NAN, f64::INFINITY, 1.0]).unwrap();
        answers.check_sums(Workload::Scan, &[f64::NAN, f64::NEG_INFINITY, 1.0]).unwrap_err();
        answers.check_sums(Workload::Scan, &[f64::NAN, f64::INFINITY, f64::NAN]).unwrap_err();
    }

    #[test]
    fn sums_are_exact_as_far_as_f64_reaches() {
        assert_eq!(Exactness::of(1 << 29, f32::GENERATED_UNITS), Exactness::Exact);
        assert_eq!(Exactness::of(1 << 21, f64::GENERATED_UNITS), Exactness::Exact);
        assert_eq!(Exactness::of(1 << 22, i32::UNITS), Exactness::Exact);
        assert_eq!(Exactness::of(0, f64::INFINITY), Exactness::Exact);
        assert!(matches!(Exactness::of((1 << 29) + 1, f32::GENERATED_UNITS), Exactness::Within(_)));
        assert!(matches!(Exactness::of(1, f32::UNITS), Exactness::Within(_)));
    }
}
