//! Tables and text in GitHub's Markdown.

use std::fmt;

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table under construction; cells are Markdown already.
#[derive(Debug, Clone)]
pub(super) struct MarkdownTable {
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl MarkdownTable {
    /// A table with these column heads, as plain text.
    pub fn new<'t>(header: impl IntoIterator<Item = (&'t str, Align)>) -> Self {
        let header = header.into_iter().map(|(name, align)| (escaped(name), align)).collect();
        Self { header, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The same table without the columns whose every cell is `cell`.
    #[must_use]
    pub fn without_columns_of(self, cell: &str) -> Self {
        let keep = |at: usize| self.rows.iter().any(|row| row[at] != cell);
        let kept: Vec<bool> = (0..self.header.len()).map(keep).collect();
        fn thin<T>(items: Vec<T>, kept: &[bool]) -> Vec<T> {
            items.into_iter().zip(kept).filter(|(_, kept)| **kept).map(|(item, _)| item).collect()
        }
        Self {
            header: thin(self.header, &kept),
            rows: self.rows.into_iter().map(|row| thin(row, &kept)).collect(),
        }
    }
}

impl fmt::Display for MarkdownTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.header.iter().map(|(name, _)| name.as_str()).collect();
        writeln!(f, "| {} |", names.join(" | "))?;
        for (_, align) in &self.header {
            f.write_str(if *align == Align::Left { "|---" } else { "|--:" })?;
        }
        writeln!(f, "|")?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// `text` on one line, with nothing in it that Markdown or HTML would take for its own.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("a|b\n<i>*x*</i> `&`"), "a\\|b &lt;i&gt;\\*x\\*&lt;/i&gt; \\`&amp;\\`");
    }

    #[test]
    fn empty_columns_can_be_left_out() {
        let mut table = MarkdownTable::new(["a", "b"].map(|name| (name, Align::Right)));
        table.row(["1", "–"].map(str::to_owned));
        assert_eq!(table.without_columns_of("–").to_string(), "| a |\n|--:|\n| 1 |\n");
    }
}
