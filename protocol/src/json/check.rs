//! Checks in one pass, without building a tree, that a document is canonical.

use std::borrow::Cow;

use super::lexer::Lexer;
use super::{MAX_DEPTH, cmp_utf16};

pub(super) fn is_canonical(bytes: &[u8]) -> bool {
    let Ok(mut lexer) = Lexer::new(bytes) else {
        return false;
    };
    value(&mut lexer, 0).is_some() && lexer.peek().is_none()
}

/// Skips a canonical value inside `depth` arrays and objects. Returns `None` if it is not canonical.
fn value(lexer: &mut Lexer<'_>, depth: usize) -> Option<()> {
    match lexer.peek()? {
        b'"' => lexer.string().ok()?.minimal.then_some(()),
        b'{' if depth < MAX_DEPTH => object(lexer, depth),
        b'[' if depth < MAX_DEPTH => array(lexer, depth),
        b'-' | b'0'..=b'9' => lexer.number().ok()?.1.then_some(()),
        b't' => lexer.word("true").ok(),
        b'f' => lexer.word("false").ok(),
        b'n' => lexer.word("null").ok(),
        _ => None,
    }
}

fn array(lexer: &mut Lexer<'_>, depth: usize) -> Option<()> {
    lexer.bump();
    if lexer.eat(b']') {
        return Some(());
    }
    loop {
        value(lexer, depth + 1)?;
        if lexer.eat(b']') {
            return Some(());
        }
        lexer.eat(b',').then_some(())?;
    }
}

fn object(lexer: &mut Lexer<'_>, depth: usize) -> Option<()> {
    lexer.bump();
    if lexer.eat(b'}') {
        return Some(());
    }
    let mut last: Option<Cow<'_, str>> = None;
    loop {
        let key = lexer.string().ok().filter(|token| token.minimal)?.value;
        // Strictly rising keys are sorted and unique.
        if last.is_some_and(|last| cmp_utf16(&last, &key).is_ge()) {
            return None;
        }
        last = Some(key);
        lexer.eat(b':').then_some(())?;
        value(lexer, depth + 1)?;
        if lexer.eat(b'}') {
            return Some(());
        }
        lexer.eat(b',').then_some(())?;
    }
}
