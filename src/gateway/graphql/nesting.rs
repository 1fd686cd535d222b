//! Looks at the text of a query before it is parsed: the parser calls itself for every bracket
//! within a bracket, so that a text of brackets alone would use up a thread's stack.

use crate::error::{ErrorCode, Problem};

/// Brackets within brackets that are parsed; a query of the greatest depth has fewer.
const NESTING_MAX: usize = 64;

/// Refuses a text whose brackets are nested too deeply, or one of whose strings has no end.
///
/// # Errors
/// It is one of these.
pub fn check(query: &str) -> Result<(), Problem> {
    let mut rest = query.as_bytes();
    let mut depth = 0_usize;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'#' => rest = behind_line(behind),
            b'"' => rest = behind_string(behind)?,
            _ => {}
        }
        if depth > NESTING_MAX {
            let detail = format!("brackets may be nested {NESTING_MAX} deep, not deeper");
            return Err(Problem::new(ErrorCode::TooLarge, detail).at("query"));
        }
    }
    Ok(())
}

fn behind_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    &text[end.unwrap_or(text.len())..]
}

/// What follows a string whose opening quotation mark was read.
fn behind_string(text: &[u8]) -> Result<&[u8], Problem> {
    let (mut rest, is_block) = match text.strip_prefix(b"\"\"") {
        Some(block) => (block, true),
        None => (text, false),
    };
    loop {
        rest = match rest {
            [b'\\', b'"', b'"', b'"', behind @ ..] if is_block => behind,
            [b'"', b'"', b'"', behind @ ..] if is_block => return Ok(behind),
            [b'\\', _, behind @ ..] if !is_block => behind,
            [b'"', behind @ ..] if !is_block => return Ok(behind),
            [b'\n' | b'\r', ..] if !is_block => return Err(endless()),
            [_, behind @ ..] => behind,
            [] => return Err(endless()),
        };
    }
}

fn endless() -> Problem {
    let detail = "a string has no closing quotation mark";
    Problem::new(ErrorCode::Malformed, detail).at("query")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_the_parser_sees_them() {
        let deep = "{a".repeat(NESTING_MAX + 1);
        assert_eq!(check(&deep).unwrap_err().code, ErrorCode::TooLarge);
        assert!(check(&"{a".repeat(NESTING_MAX)).is_ok());
        assert!(check(&"{a}".repeat(NESTING_MAX * 2)).is_ok());
        // Neither strings nor comments close anything.
        let hidden = ["{a(b:\"}\\\"}\")", "{a#}\n", "{a(b:\"\"\"}\\\"\"\"}\"\"\")"];
        for text in hidden {
            let deep = text.repeat(NESTING_MAX + 1);
            assert_eq!(
                check(&deep).unwrap_err().code,
                ErrorCode::TooLarge,
                "{text}"
            );
        }
        assert!(check(&format!("\"{deep}\"")).is_ok());
        assert!(check(&format!("#{deep}")).is_ok());
    }

    #[test]
    fn a_string_without_end_is_malformed() {
        for text in ["\"abc", "\"abc\n\"", "\"\"\"abc\"\"", "\"\\\"", "\"\\"] {
            assert_eq!(
                check(text).unwrap_err().code,
                ErrorCode::Malformed,
                "{text}"
            );
        }
    }
}
