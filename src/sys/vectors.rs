//! Loops compiled for the vectors that this processor has, which may be wider than those of the oldest one the program runs on.

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
