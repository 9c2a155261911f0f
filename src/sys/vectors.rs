//! What this processor has: loops compiled for its vectors, which may be wider than those of the oldest one the program runs
//! on, and the size of its cache.

use std::sync::OnceLock;

/// Loops over much data.
pub trait Kernel {
    /// What they come to.
    type Output;

    /// Runs them. To be marked `#[inline(always)]`, and what it calls too: only what is inlined is compiled for each width.
    fn run(self) -> Self::Output;
}

/// Runs loops in the widest vectors of this processor.
///
/// Results do not depend on the width: nothing is reordered, and no multiplication is fused with an addition.
#[inline]
#[allow(unsafe_code)]
pub fn in_widest_vectors<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
            // SAFETY: this processor has what the function is compiled for: it was just asked.
            return unsafe { in_512_bits(kernel) };
        }
        if has!("avx2") {
            // SAFETY: likewise.
            return unsafe { in_256_bits(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn in_512_bits<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn in_256_bits<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Has a list, of which a kilobyte at most, brought near for who comes to it some hundred steps later: so long the way from
/// memory may be, and what lies in the small pages of a file processors do not fetch ahead by themselves.
#[inline]
#[cfg_attr(target_arch = "x86_64", allow(unsafe_code))]
pub fn bring_near<T>(list: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for bytes in (0..size_of_val(list).min(1024)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = list.as_ptr().wrapping_byte_add(bytes);
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = list;
}

/// Bytes of the cache that each core has for itself, behind the nearest one; a common size where the system does not say.
pub fn middle_cache_bytes() -> usize {
    const COMMON_BYTES: usize = 1 << 20;
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        stated_cache_bytes(2)
            .filter(|bytes| (64 << 10..=64 << 20).contains(bytes))
            .unwrap_or(COMMON_BYTES)
    })
}

/// Bytes of the last cache before memory; none where the system does not say.
pub fn last_cache_bytes() -> Option<usize> {
    (2..=4).rev().find_map(stated_cache_bytes)
}

fn stated_cache_bytes(index: u32) -> Option<usize> {
    let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
    let kibibytes =
        std::fs::read_to_string(path).ok()?.trim().strip_suffix('K')?.parse::<usize>().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [u32], &'a mut u32);

    impl Kernel for Sum<'_> {
        type Output = u32;

        #[inline(always)]
        fn run(self) -> u32 {
            *self.1 += 1;
            self.0.iter().fold(0u32, |sum, value| sum.wrapping_add(value * 3))
        }
    }

    #[test]
    fn loops_run_once_whatever_the_width() {
        let values: Vec<u32> = (0..1000).collect();
        let mut times = 0;
        let sum = in_widest_vectors(Sum(&values, &mut times));
        assert_eq!((times, sum), (1, 3 * 999 * 1000 / 2));
    }
}
