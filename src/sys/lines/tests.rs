//! Lines by the processor's instructions, against sums made one by one.

use super::*;

/// Lines around every bound, some empty, behind what is of none: their ends, indices and numbers.
fn lines<I: TryFrom<usize>>() -> (Vec<usize>, Vec<I>, Vec<f32>) {
    let index = |position: usize| I::try_from(position).unwrap_or_else(|_| unreachable!());
    let (mut ends, mut indices, mut numbers) =
        (vec![2], vec![index(1), index(2)], vec![f32::NAN; 2]);
    for length in [0, 1, 7, 8, 9, 0, 16, 17, 33, 0] {
        for position in 0..length {
            indices.push(index(3 * position));
            numbers.push((numbers.len() % 11) as f32);
        }
        ends.push(indices.len());
    }
    (ends, indices, numbers)
}

fn both_ways<I: Index + TryFrom<usize> + TryInto<usize>>(is_long: bool) {
    let Some(quick) = QuickGathers::of_this_processor() else { return };
    let (ends, indices, numbers) = lines::<I>();
    let long: Vec<f64> = numbers.iter().map(|&number| number.into()).collect();
    let floats = if is_long { Floats::F64(&long) } else { Floats::F32(&numbers) };
    let lines = IndexedLines { ends: &ends, indices: &indices, numbers: floats };
    let at = |entry: usize| indices[entry].try_into().unwrap_or_else(|_| unreachable!());
    let from: Vec<f64> = (0..100).map(f64::from).collect();
    let mut sums = vec![1.0; ends.len() - 1];
    I::gather(quick, lines, (&from, &mut sums));
    let mut cut = vec![1.0; sums.len()];
    let mut starts = ends[..sums.len()].to_vec();
    for bound in [10, 11, 40, 100] {
        I::gather_below(quick, lines, (&mut starts, bound), (&from, &mut cut));
    }
    for ((sum, cut), own) in sums.iter().zip(cut).zip(ends.windows(2)) {
        let products = (own[0]..own[1]).map(|entry| long[entry] * from[at(entry)]);
        let expected = 1.0 + products.sum::<f64>();
        assert_eq!((*sum, cut), (expected, expected));
    }
    let factors: Vec<f64> = (1..ends.len()).map(|line| line as f64).collect();
    let mut sums = vec![1.0; 100];
    I::scatter(quick, lines, (&factors, &mut sums));
    let mut expected = vec![1.0; 100];
    for (factor, own) in factors.iter().zip(ends.windows(2)) {
        for entry in own[0]..own[1] {
            expected[at(entry)] += factor * long[entry];
        }
    }
    assert_eq!(sums, expected);
    let mut cut = vec![1.0; 94];
    let mut starts: Vec<usize> = ends
        .windows(2)
        .map(|own| own[0] + (own[0]..own[1]).take_while(|&entry| at(entry) < 6).count())
        .collect();
    for bound in [10, 11, 40, 100] {
        let to = (&factors[..], &mut cut[..], 6);
        I::scatter_below(quick, lines, (&mut starts, bound), to);
    }
    assert_eq!(starts, ends[1..]);
    assert_eq!(cut, expected[6..]);
}

#[test]
fn every_line_has_its_own() {
    for is_long in [false, true] {
        both_ways::<i32>(is_long);
        both_ways::<i64>(is_long);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn no_negative_index_is_below_a_bound() {
    for numbers in [0, 5, 1 << 31, (1 << 31) + 1, 1 << 33, usize::MAX] {
        let bound = vectors::i32_f32::least(numbers).cast_unsigned();
        assert_eq!(bound as usize, numbers.min(1 << 31));
        assert!([-1, -2, i32::MIN].iter().all(|index| index.cast_unsigned() >= bound));
        let bound = vectors::i64_f32::least(numbers).cast_unsigned();
        assert!([-1, -2, i64::MIN].iter().all(|index| index.cast_unsigned() >= bound));
    }
}

#[test]
fn what_is_out_of_range_is_neither_read_nor_written() {
    let Some(quick) = QuickGathers::of_this_processor() else { return };
    let indices = [-1, 2, 3, i32::MAX];
    let lines = IndexedLines { ends: &[0, 4], indices: &indices, numbers: Floats::F32(&[1.0; 4]) };
    let mut sums = [0.0; 4];
    Index::gather(quick, lines, (&[1.0, 2.0, 4.0], &mut sums[..1]));
    assert_eq!(sums, [4.0, 0.0, 0.0, 0.0]);
    Index::scatter(quick, lines, (&[1.0], &mut sums[..3]));
    assert_eq!(sums, [4.0, 0.0, 1.0, 0.0]);
}
