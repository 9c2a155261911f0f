//! Rust source as far as looking for paths needs it: without comments, strings and tests.

/// The code of a file, each line where it was.
pub struct Code {
    /// With the code of tests.
    whole: String,
    /// Without it.
    tested: String,
    /// Modules in files of their own that are declared under `#[cfg(test)]`.
    pub test_modules: Vec<String>,
}

impl Code {
    pub fn of(source: &str) -> Self {
        let whole = without_comments_and_strings(source);
        let (tested, test_modules) = without_tests(&whole);
        Self { whole, tested, test_modules }
    }

    /// The lines on which `word` stands as a word of its own, in tests too.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.whole.lines().zip(1..).filter_map(move |(line, number)| {
            words(line).any(|(_, found)| found == word).then_some(number)
        })
    }

    /// The names of the modules declared here.
    pub fn modules(&self) -> Vec<String> {
        let mut words = words(&self.whole).map(|(_, word)| word).peekable();
        let mut modules = Vec::new();
        while let Some(word) = words.next() {
            if word == "mod"
                && let Some(name) = words.peek()
            {
                modules.push((*name).to_owned());
            }
        }
        modules
    }

    /// The macros that this file puts at the crate's root.
    pub fn exported_macros(&self) -> impl Iterator<Item = &str> {
        self.whole.split("#[macro_export]").skip(1).filter_map(|after| {
            let macro_rules = after.find("macro_rules!")?;
            words(&after[macro_rules + "macro_rules!".len()..]).next().map(|(_, name)| name)
        })
    }

    /// The first names of all paths that begin at the crate's root, each with its line: after `crate::`, or
    /// after `depth` times `super::`, also in braces; `*` for all of them.
    pub fn names_at_root(&self, depth: usize) -> impl Iterator<Item = (usize, &str)> {
        let code = self.tested.as_str();
        let mut names = Vec::new();
        let mut supers = 0;
        let mut supers_end = 0;
        for (at, word) in words(code) {
            let Some(after) = after_separator(code, at + word.len()) else { continue };
            supers = match word {
                // One `super` continues another only where it follows it at once.
                "super" if supers_end == at => supers + 1,
                "super" => 1,
                _ => 0,
            };
            supers_end = after;
            if word == "crate" || (supers > 0 && supers >= depth) {
                names.extend(first_names(code, after));
            }
        }
        let line = |at: usize| code[..at].matches('\n').count() + 1;
        names
            .into_iter()
            .filter(|(_, name)| *name != "super")
            .map(move |(at, name)| (line(at), name))
    }
}

/// Where what follows a `::` begins, if one stands at `at`, after spaces.
fn after_separator(code: &str, at: usize) -> Option<usize> {
    let rest = code[at..].trim_start().strip_prefix("::")?;
    Some(code.len() - rest.trim_start().len())
}

/// The name at `at`, or the first name of each path in the braces there.
fn first_names(code: &str, at: usize) -> Vec<(usize, &str)> {
    let name = |at: usize| {
        let start = at + code[at..].find(|character: char| !character.is_whitespace())?;
        if code[start..].starts_with('*') {
            return Some((start, &code[start..start + 1]));
        }
        words(&code[start..]).next().map(|(skipped, name)| (start + skipped, name))
    };
    if !code[at..].starts_with('{') {
        return name(at).into_iter().collect();
    }
    let mut names = Vec::new();
    let mut level = 0;
    for (offset, character) in code[at..].char_indices() {
        let begins = match character {
            '{' => {
                level += 1;
                level == 1
            }
            '}' => {
                level -= 1;
                false
            }
            ',' => level == 1,
            _ => false,
        };
        if level == 0 {
            break;
        }
        let next = at + offset + 1;
        if begins && !code[next..].trim_start().starts_with('}') {
            names.extend(name(next));
        }
    }
    names
}

/// The words of `code`, each with its place. Those written `r#word` are words like others.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + code[at..].find(is_part)?;
            let end = code[start..].find(|c| !is_part(c)).map_or(code.len(), |end| start + end);
            at = end;
            if !(&code[start..end] == "r" && code[end..].starts_with('#')) {
                return Some((start, &code[start..end]));
            }
        }
    })
}

/// `code` without the items under `#[cfg(test)]`, and the modules among them that are files.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut out = code.to_owned();
    let mut modules = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let attribute_end = start + closing(&code[start..], '[', ']');
        let condition = &code[start + "#[cfg(".len()..attribute_end];
        let is_test = condition.starts_with("test)") || condition.starts_with("all(test");
        if !is_test {
            continue;
        }
        let mut item = attribute_end;
        while code[item..].trim_start().starts_with("#[") {
            item += code[item..].find('#').unwrap_or(0);
            item += closing(&code[item..], '[', ']');
        }
        let end = item + item_end(&code[item..]);
        let declared: Vec<_> = words(&code[item..end]).map(|(_, word)| word).collect();
        if code[..end].ends_with(';')
            && let [.., "mod", name] = declared[..]
        {
            modules.push(name.to_owned());
        }
        let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
        let blanked: String = code[start..end].bytes().map(|byte| blank(byte.into())).collect();
        out.replace_range(start..end, &blanked);
    }
    (out, modules)
}

/// Where an item ends: after its `;`, or after its block.
fn item_end(code: &str) -> usize {
    match code.find(['{', ';']) {
        Some(at) if code[at..].starts_with('{') => at + closing(&code[at..], '{', '}'),
        Some(at) => at + 1,
        None => code.len(),
    }
}

/// Where the first bracket opened in `code` is closed again.
fn closing(code: &str, open: char, close: char) -> usize {
    let mut level = 0;
    for (at, character) in code.char_indices() {
        if character == open {
            level += 1;
        } else if character == close {
            level -= 1;
            if level == 0 {
                return at + 1;
            }
        }
    }
    code.len()
}

/// `source` with spaces in place of comments and of what is in quotes. Bytes stay where they were.
fn without_comments_and_strings(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let skipped = skipped(rest, out.chars().next_back());
        let length =
            if skipped > 0 { skipped } else { rest.chars().next().map_or(1, char::len_utf8) };
        let (token, after) = rest.split_at(length);
        if skipped > 0 {
            out.extend(token.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(token);
        }
        rest = after;
    }
    out
}

/// How many bytes at the begin of `rest` are a comment or something in quotes; `before` is what precedes it.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    let begins_word = !before.is_some_and(|c| is_word(c) && c != 'b');
    if let Some(raw) = rest.strip_prefix('r').filter(|_| begins_word) {
        let quote = raw.trim_start_matches('#');
        let hashes = raw.len() - quote.len();
        if let Some(text) = quote.strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = text.find(&end).map_or(text.len(), |at| at + end.len());
            return "r".len() + hashes + 1 + length;
        }
    }
    // A character, unless it is a lifetime: those have no second quote after one character.
    let mut characters = rest.chars();
    if characters.next() == Some('\'') {
        let is_character = match characters.next() {
            Some('\\') => true,
            Some(_) => characters.next() == Some('\''),
            None => false,
        };
        return if is_character { quoted(rest, '\'') } else { 0 };
    }
    0
}

/// Length of the quoted text that `text` begins with.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if !escaped && character == quote {
            return at + 1;
        }
        escaped = !escaped && character == '\\';
    }
    text.len()
}

/// Length of the comment, and of those in it, that `text` begins with.
fn block_comment(text: &str) -> usize {
    let mut level = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            level += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            level -= 1;
            at += 2;
            if level == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}
