//! Sums over lines of indexed numbers, eight at a time: what compilers do not make of a loop.
//!
//! A loop over each line's few entries ends where the processor did not expect it, once a line, and that costs more than
//! the entries do. Here what a line lacks of eight entries is masked out. Needs AVX-512 with gathers that are quicker than
//! as many loads ([`QuickGathers`]): where they are not, callers have a loop of their own, which sums in the same order.

#[cfg(test)]
mod tests;

use std::fmt::Debug;

/// Numbers that are summed in turn in one line, and then by halves.
pub const LANES: usize = 8;

/// Lines of indexed numbers.
#[derive(Debug, Clone, Copy)]
pub struct IndexedLines<'a, I> {
    /// Where each line begins in both lists, and where the last one ends.
    pub ends: &'a [usize],
    /// Of each number; none is there twice in a line.
    pub indices: &'a [I],
    /// As many as indices.
    pub numbers: Floats<'a>,
}

/// Numbers of either width.
#[derive(Debug, Clone, Copy)]
pub enum Floats<'a> {
    /// Of 32 bits, each of which is multiplied as one of 64.
    F32(&'a [f32]),
    /// Of 64 bits.
    F64(&'a [f64]),
}

/// The proof that this processor has the vectors, and loads from many places quicker than one after another.
#[derive(Debug, Clone, Copy)]
pub struct QuickGathers(Proof);

#[cfg(target_arch = "x86_64")]
type Proof = ();
#[cfg(not(target_arch = "x86_64"))]
type Proof = std::convert::Infallible;

impl QuickGathers {
    /// Where they are. AMD's gathers are not quick: compilers avoid them there too.
    #[cfg(target_arch = "x86_64")]
    pub fn of_this_processor() -> Option<Self> {
        use std::arch::is_x86_feature_detected as has;
        static ARE_THERE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        let are_there = *ARE_THERE.get_or_init(|| {
            let is_amd = std::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Auth");
            has!("avx512f") && has!("avx512dq") && has!("avx512vl") && !is_amd
        });
        are_there.then_some(Self(()))
    }

    /// Nowhere else.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn of_this_processor() -> Option<Self> {
        None
    }
}

/// An index, of as many bits as a file has. One that is out of range is not followed, and its line ends about there.
pub trait Index: Copy + Debug + Send + Sync + 'static {
    /// Adds to each line's sum its numbers times those that they index.
    fn gather(
        quick: QuickGathers,
        lines: IndexedLines<'_, Self>,
        from_and_sums: (&[f64], &mut [f64]),
    );

    /// The same of those behind each line's start whose indices, which rise, are below a bound: starts go on behind them.
    fn gather_below(
        quick: QuickGathers,
        lines: IndexedLines<'_, Self>,
        starts_and_bound: (&mut [usize], usize),
        from_and_sums: (&[f64], &mut [f64]),
    );

    /// Adds each line's numbers, of which no two have the same index, times its factor to the sums that they index.
    fn scatter(
        quick: QuickGathers,
        lines: IndexedLines<'_, Self>,
        factors_and_sums: (&[f64], &mut [f64]),
    );

    /// The same of those behind each line's start whose indices, which rise, are below a bound, to sums of which the first
    /// has an index too.
    fn scatter_below(
        quick: QuickGathers,
        lines: IndexedLines<'_, Self>,
        starts_and_bound: (&mut [usize], usize),
        factors_and_sums_and_first: (&[f64], &mut [f64], usize),
    );
}

#[cfg(not(target_arch = "x86_64"))]
impl<I: Copy + Debug + Send + Sync + 'static> Index for I {
    fn gather(quick: QuickGathers, _: IndexedLines<'_, Self>, _: (&[f64], &mut [f64])) {
        match quick.0 {}
    }

    fn gather_below(
        quick: QuickGathers,
        _: IndexedLines<'_, Self>,
        _: (&mut [usize], usize),
        _: (&[f64], &mut [f64]),
    ) {
        match quick.0 {}
    }

    fn scatter(quick: QuickGathers, _: IndexedLines<'_, Self>, _: (&[f64], &mut [f64])) {
        match quick.0 {}
    }

    fn scatter_below(
        quick: QuickGathers,
        _: IndexedLines<'_, Self>,
        _: (&mut [usize], usize),
        _: (&[f64], &mut [f64], usize),
    ) {
        match quick.0 {}
    }
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::*;

    use super::{Floats, Index, IndexedLines, LANES, QuickGathers};
    use crate::sys::bring_near;

    /// The mask of the first `count` of eight lanes.
    #[inline]
    const fn first(count: usize) -> __mmask8 {
        if count >= LANES { u8::MAX } else { (1 << count) - 1 }
    }

    /// The sum of all lanes, by halves.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn total(lanes: __m512d) -> f64 {
        let four = _mm256_add_pd(_mm512_castpd512_pd256(lanes), _mm512_extractf64x4_pd::<1>(lanes));
        let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    }

    /// Has what the loop over a line comes to next brought into the near cache. Pages of a file are small, and processors do not
    /// look beyond them by themselves.
    #[inline]
    #[allow(unsafe_code)]
    fn fetch<T>(list: &[T], at: usize) {
        const AHEAD_BYTES: usize = 2 << 10;
        let ahead = list.as_ptr().wrapping_add(at).wrapping_byte_add(AHEAD_BYTES);
        // SAFETY: nothing is read, and an address that is not there does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead.cast()) }
    }

    /// What lies behind all indices at the same place: there who comes next will look at all of them first.
    #[inline]
    #[allow(unsafe_code)]
    fn fetch_next<I>(indices: &[I], at: usize) {
        const MOST_BYTES: usize = 512 << 10;
        let bytes = size_of_val(indices).min(MOST_BYTES);
        let next = indices.as_ptr().wrapping_add(at).wrapping_byte_add(bytes);
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(next.cast()) }
    }

    /// Eight numbers as they are multiplied.
    macro_rules! load {
        (f32, $own:expr, $from:expr) => {
            _mm512_cvtps_pd(_mm256_maskz_loadu_ps($own, $from))
        };
        (f64, $own:expr, $from:expr) => {
            _mm512_maskz_loadu_pd($own, $from)
        };
    }

    /// The loops for indices and numbers of some width, by the instructions for them.
    macro_rules! loops {
        ($loops:ident $Float:ident $Index:ident $Unsigned:ident $load:ident $set:ident $subtract:ident $is_below:ident
         $gather:ident $scatter:ident) => {
            pub(super) mod $loops {
                use super::*;

                /// The least index that is beyond so many numbers, to be compared without a sign: no negative one is below
                /// it, however many numbers there are, since gathers count negative ones backwards.
                #[inline]
                pub(in super::super) fn least(numbers: usize) -> $Index {
                    const POSITIVE: $Unsigned = $Index::MAX.cast_unsigned() + 1;
                    $Unsigned::try_from(numbers).unwrap_or(POSITIVE).min(POSITIVE).cast_signed()
                }

                /// The sum of a line's numbers times those that they index, up to the first index that is not below
                /// `bound`; and how many these are.
                #[inline]
                #[allow(unsafe_code)]
                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                fn dot(
                    indices: &[$Index],
                    numbers: &[$Float],
                    (from, bound): (&[f64], usize),
                ) -> (f64, usize) {
                    let numbers = &numbers[..indices.len()];
                    let bound = $set(least(bound.min(from.len())));
                    let (mut lanes, mut at) = (_mm512_setzero_pd(), 0);
                    while at < indices.len() {
                        fetch(indices, at);
                        fetch(numbers, at);
                        let own = first(indices.len() - at);
                        // SAFETY: of both lists only lanes are read that `own` says are within them, and of `from` only
                        // those whose index, without a sign, was just seen to be below its length.
                        let (below, numbers, others) = unsafe {
                            let indices = $load(own, indices.as_ptr().add(at));
                            let below = $is_below(own, indices, bound);
                            let zeros = _mm512_setzero_pd();
                            let others = $gather::<8>(zeros, below, indices, from.as_ptr());
                            (below, load!($Float, below, numbers.as_ptr().add(at)), others)
                        };
                        lanes = _mm512_add_pd(lanes, _mm512_mul_pd(numbers, others));
                        if below != own {
                            return (total(lanes), at + below.trailing_ones() as usize);
                        }
                        at += LANES;
                    }
                    (total(lanes), indices.len())
                }

                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                pub(super) fn gather(
                    ends: &[usize],
                    (indices, numbers): (&[$Index], &[$Float]),
                    (from, sums): (&[f64], &mut [f64]),
                ) {
                    for (sum, &[start, end]) in sums.iter_mut().zip(ends.array_windows()) {
                        fetch_next(indices, start);
                        let of = (from, from.len());
                        *sum += dot(&indices[start..end], &numbers[start..end], of).0;
                    }
                }

                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                pub(super) fn gather_below(
                    (starts, ends): (&mut [usize], &[usize]),
                    (indices, numbers): (&[$Index], &[$Float]),
                    (from, bound, sums): (&[f64], usize, &mut [f64]),
                ) {
                    for line in 0..starts.len() {
                        let own = starts[line]..ends[line];
                        if let (Some(&next), Some(&end)) =
                            (starts.get(line + 1), ends.get(line + 1))
                        {
                            bring_near(&indices[next..end]);
                            bring_near(&numbers[next..end]);
                        }
                        let (sum, count) = dot(&indices[own.clone()], &numbers[own], (from, bound));
                        sums[line] += sum;
                        starts[line] += count;
                    }
                }

                /// Adds a line's numbers times its factor to the sums that they index, counted from `first` on, up to the
                /// first index that is not below `bound`; how many these are.
                #[inline]
                #[allow(unsafe_code)]
                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                fn spread(
                    indices: &[$Index],
                    numbers: &[$Float],
                    (factor, sums, first_index, bound): (f64, &mut [f64], usize, usize),
                ) -> usize {
                    let numbers = &numbers[..indices.len()];
                    // What an index cannot say, none says.
                    let Ok(start) = $Index::try_from(first_index) else { return 0 };
                    let bound = bound.saturating_sub(first_index).min(sums.len());
                    let bound = $set(least(bound));
                    let (start, factor) = ($set(start), _mm512_set1_pd(factor));
                    let mut at = 0;
                    while at < indices.len() {
                        fetch(indices, at);
                        fetch(numbers, at);
                        let own = first(indices.len() - at);
                        // SAFETY: of both lists only lanes are read that `own` says are within them, and of `sums` only
                        // those are read and written whose index, without a sign, was just seen to be below its length.
                        let below = unsafe {
                            let indices = $subtract($load(own, indices.as_ptr().add(at)), start);
                            let below = $is_below(own, indices, bound);
                            let numbers = load!($Float, below, numbers.as_ptr().add(at));
                            let zeros = _mm512_setzero_pd();
                            let before = $gather::<8>(zeros, below, indices, sums.as_ptr());
                            let after = _mm512_add_pd(before, _mm512_mul_pd(numbers, factor));
                            $scatter::<8>(sums.as_mut_ptr(), below, indices, after);
                            below
                        };
                        if below != own {
                            return at + below.trailing_ones() as usize;
                        }
                        at += LANES;
                    }
                    indices.len()
                }

                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                pub(super) fn scatter(
                    ends: &[usize],
                    (indices, numbers): (&[$Index], &[$Float]),
                    (factors, sums): (&[f64], &mut [f64]),
                ) {
                    for (&factor, &[start, end]) in factors.iter().zip(ends.array_windows()) {
                        fetch_next(indices, start);
                        let to = (factor, &mut *sums, 0, usize::MAX);
                        spread(&indices[start..end], &numbers[start..end], to);
                    }
                }

                #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
                pub(super) fn scatter_below(
                    (starts, ends): (&mut [usize], &[usize]),
                    (indices, numbers): (&[$Index], &[$Float]),
                    (factors, sums, first, bound): (&[f64], &mut [f64], usize, usize),
                ) {
                    for line in 0..starts.len() {
                        let own = starts[line]..ends[line];
                        if let (Some(&next), Some(&end)) =
                            (starts.get(line + 1), ends.get(line + 1))
                        {
                            bring_near(&indices[next..end]);
                            bring_near(&numbers[next..end]);
                        }
                        let to = (factors[line], &mut *sums, first, bound);
                        starts[line] += spread(&indices[own.clone()], &numbers[own], to);
                    }
                }
            }
        };
    }

    /// Runs the loop of this name for numbers of either width.
    macro_rules! run {
        ($short:ident $long:ident $name:ident, $ends:expr, ($indices:expr, $numbers:expr), $of:expr) => {
            match $numbers {
                // SAFETY: this processor has what the loops are compiled for: that was proven.
                Floats::F32(numbers) => unsafe { $short::$name($ends, ($indices, numbers), $of) },
                // SAFETY: likewise.
                Floats::F64(numbers) => unsafe { $long::$name($ends, ($indices, numbers), $of) },
            }
        };
    }

    macro_rules! index {
        ($Index:ident $short:ident $long:ident) => {
            #[allow(unsafe_code)]
            impl Index for $Index {
                fn gather(
                    QuickGathers(()): QuickGathers,
                    IndexedLines { ends, indices, numbers }: IndexedLines<'_, Self>,
                    (from, sums): (&[f64], &mut [f64]),
                ) {
                    run!($short $long gather, ends, (indices, numbers), (from, sums));
                }

                fn gather_below(
                    QuickGathers(()): QuickGathers,
                    IndexedLines { ends, indices, numbers }: IndexedLines<'_, Self>,
                    (starts, bound): (&mut [usize], usize),
                    (from, sums): (&[f64], &mut [f64]),
                ) {
                    let of = (from, bound, sums);
                    run!($short $long gather_below, (starts, &ends[1..]), (indices, numbers), of);
                }

                fn scatter(
                    QuickGathers(()): QuickGathers,
                    IndexedLines { ends, indices, numbers }: IndexedLines<'_, Self>,
                    (factors, sums): (&[f64], &mut [f64]),
                ) {
                    run!($short $long scatter, ends, (indices, numbers), (factors, sums));
                }

                fn scatter_below(
                    QuickGathers(()): QuickGathers,
                    IndexedLines { ends, indices, numbers }: IndexedLines<'_, Self>,
                    (starts, bound): (&mut [usize], usize),
                    (factors, sums, first): (&[f64], &mut [f64], usize),
                ) {
                    let of = (factors, sums, first, bound);
                    run!($short $long scatter_below, (starts, &ends[1..]), (indices, numbers), of);
                }
            }
        };
    }

    loops!(i32_f32 f32 i32 u32 _mm256_maskz_loadu_epi32 _mm256_set1_epi32 _mm256_sub_epi32
           _mm256_mask_cmplt_epu32_mask _mm512_mask_i32gather_pd _mm512_mask_i32scatter_pd);
    loops!(i32_f64 f64 i32 u32 _mm256_maskz_loadu_epi32 _mm256_set1_epi32 _mm256_sub_epi32
           _mm256_mask_cmplt_epu32_mask _mm512_mask_i32gather_pd _mm512_mask_i32scatter_pd);
    loops!(i64_f32 f32 i64 u64 _mm512_maskz_loadu_epi64 _mm512_set1_epi64 _mm512_sub_epi64
           _mm512_mask_cmplt_epu64_mask _mm512_mask_i64gather_pd _mm512_mask_i64scatter_pd);
    loops!(i64_f64 f64 i64 u64 _mm512_maskz_loadu_epi64 _mm512_set1_epi64 _mm512_sub_epi64
           _mm512_mask_cmplt_epu64_mask _mm512_mask_i64gather_pd _mm512_mask_i64scatter_pd);
    index!(i32 i32_f32 i32_f64);
    index!(i64 i64_f32 i64_f64);
}
