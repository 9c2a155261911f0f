//! Numbers as people read them: three significant digits, units, ratios.

/// What stands for a number that is not known.
pub(super) const UNKNOWN: &str = "–";

/// `value` with three significant digits, without an exponent: `0.00123`, `12.3`, `1230`.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounded first: 9.999 has its digits at another place once it is 10.0.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    if !rounded.is_finite() {
        return UNKNOWN.to_owned();
    }
    let magnitude = rounded.abs().log10().floor() as i32;
    let digits = usize::try_from(2 - magnitude).unwrap_or(0).min(20);
    format!("{rounded:.digits$}")
}

/// `value` in the largest unit of which it has at least one, or the smallest unit there is.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    if value == 0.0 {
        let (_, plain) = units.iter().find(|(size, _)| *size == 1.0).unwrap_or(&(1.0, ""));
        return format!("0 {plain}");
    }
    // 999.9 of a unit is 1.00 of the next, once it is rounded.
    let fits = |&&(size, _): &&(f64, &str)| value.abs() / size >= 0.9995;
    let Some((size, unit)) = units.iter().find(fits).or(units.last()) else {
        return significant(value);
    };
    format!("{} {unit}", significant(value / size))
}

/// A duration: `1.23 s`, `45.6 ms`, `789 µs`.
pub fn seconds(value: f64) -> String {
    scaled(value, &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")])
}

/// An amount of data, in powers of ten: `400 MB`.
pub(super) fn bytes(value: u64) -> String {
    scaled(value as f64, &[(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// An amount of memory, in powers of two: `256 MiB`.
pub(super) fn memory(value: u64) -> String {
    let [kib, mib, gib] = [10, 20, 30].map(|power| f64::from(1u32 << power));
    scaled(value as f64, &[(gib, "GiB"), (mib, "MiB"), (kib, "KiB"), (1.0, "B")])
}

/// A count: `123`, `45.6 k`, `7.89 M`.
pub(super) fn count(value: u64) -> String {
    if value < 1000 {
        return value.to_string();
    }
    scaled(value as f64, &[(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")])
}

/// How often one thing holds another: `1.31×`.
pub(super) fn ratio(value: f64) -> String {
    format!("{}×", significant(value))
}

/// A share of a whole, with two digits where it is small: `42 %`, `1.3 %`, `0.02 %`.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent == 0.0 || percent >= 9.95 => format!("{percent:.0} %"),
        percent if percent >= 0.995 => format!("{percent:.1} %"),
        percent => format!("{percent:.2} %"),
    }
}

/// `value` where it is known, as `show` shows it.
pub(super) fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// The median; none of nothing. Values must be comparable: those of records are finite.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The geometric mean of positive values; none of nothing.
pub(super) fn geometric_mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
}

/// `many` with its noun, in the plural unless it is one.
pub(super) fn plural(many: usize, noun: &str) -> String {
    format!("{many} {noun}{}", if many == 1 { "" } else { "s" })
}

/// `items` as a list in a sentence: `a`, `a and b`, `a, b and c`.
pub(super) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_significant() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (0.009_999, "0.0100"),
            (123.4, "123"),
            (1234.0, "1230"),
            (-0.5, "-0.500"),
            (f64::NAN, UNKNOWN),
            (f64::INFINITY, UNKNOWN),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn units_change_where_rounding_reaches_the_next() {
        assert_eq!(seconds(0.9996), "1.00 s");
        assert_eq!(seconds(0.9994), "999 ms");
        assert_eq!(seconds(0.000_000_000_1), "0.100 ns");
        assert_eq!(seconds(0.0), "0 s");
        assert_eq!(seconds(1234.0), "1230 s");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(400_000_128), "400 MB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(memory(256 << 20), "256 MiB");
        assert_eq!(count(97_656), "97.7 k");
        assert_eq!(ratio(1.0), "1.00×");
        assert_eq!([0.421, 0.013, 0.0002, 0.0].map(percent), ["42 %", "1.3 %", "0.02 %", "0 %"]);
    }

    #[test]
    fn means_and_lists() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(2.5));
        assert_eq!(median([]), None);
        assert!((geometric_mean(&[1.0, 4.0]).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(plural(1, "trial") + &plural(2, " of"), "1 trial2  ofs");
    }
}
