//! The arguments of a call, read one after the other.

use crate::Bytes;
use crate::reply::ErrorReply;
use crate::text::number;
use crate::value::list::End;

/// See the [module](self).
#[derive(Clone, Copy)]
pub(crate) struct Args<'c> {
    words: &'c [Bytes],
}

impl ErrorReply {
    /// Words that make no sense, or not here.
    pub(crate) const SYNTAX: ErrorReply = ErrorReply::known("ERR syntax error");
    pub(crate) const NOT_AN_INTEGER: ErrorReply =
        ErrorReply::known("ERR value is not an integer or out of range");
    pub(crate) const NOT_A_FLOAT: ErrorReply = ErrorReply::known("ERR value is not a valid float");
    pub(crate) const OUT_OF_RANGE: ErrorReply =
        ErrorReply::known("ERR value is out of range, must be positive");
}

impl<'c> Args<'c> {
    pub(crate) fn new(words: &'c [Bytes]) -> Self {
        Args { words }
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// All that are left, without taking them.
    pub(crate) fn rest(&self) -> &'c [Bytes] {
        self.words
    }

    /// The next one, without taking it.
    pub(crate) fn peek(&self) -> Option<&'c Bytes> {
        self.words.first()
    }

    /// The next one.
    ///
    /// # Errors
    /// A syntax error if there is none.
    pub(crate) fn next(&mut self) -> Result<&'c Bytes, ErrorReply> {
        let (first, rest) = self.words.split_first().ok_or(ErrorReply::SYNTAX)?;
        self.words = rest;
        Ok(first)
    }

    /// The next one, if there is one.
    pub(crate) fn take(&mut self) -> Option<&'c Bytes> {
        self.next().ok()
    }

    /// The next `count`.
    ///
    /// # Errors
    /// A syntax error if there are not so many.
    pub(crate) fn take_many(&mut self, count: usize) -> Result<&'c [Bytes], ErrorReply> {
        let (taken, rest) = self.words.split_at_checked(count).ok_or(ErrorReply::SYNTAX)?;
        self.words = rest;
        Ok(taken)
    }

    /// Takes all that are left.
    pub(crate) fn take_rest(&mut self) -> &'c [Bytes] {
        std::mem::take(&mut self.words)
    }

    /// Takes the next one if it is this word, in capitals or not.
    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| is(next, word));
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    /// A whole number.
    ///
    /// # Errors
    /// Redis's for what is none, and a syntax error if there is nothing.
    pub(crate) fn integer(&mut self) -> Result<i64, ErrorReply> {
        number::parse_i64(self.next()?).ok_or(ErrorReply::NOT_AN_INTEGER)
    }

    /// A number that need not be whole; `nan` is none.
    ///
    /// # Errors
    /// Redis's for what is none, and a syntax error if there is nothing.
    pub(crate) fn float(&mut self) -> Result<f64, ErrorReply> {
        number::parse_f64(self.next()?).filter(|value| !value.is_nan()).ok_or(ErrorReply::NOT_A_FLOAT)
    }

    /// A whole number of which there is also the opposite.
    ///
    /// # Errors
    /// Redis's for what is none, and a syntax error if there is nothing.
    pub(crate) fn symmetric(&mut self) -> Result<i64, ErrorReply> {
        const BOUNDS: &str =
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
        let value = self.integer()?;
        if value == i64::MIN { Err(ErrorReply::known(BOUNDS)) } else { Ok(value) }
    }

    /// How many, `least` at least.
    ///
    /// # Errors
    /// `otherwise` for what is no such number, and a syntax error if there is nothing.
    pub(crate) fn count(&mut self, least: usize, otherwise: ErrorReply) -> Result<usize, ErrorReply> {
        let count = number::parse_i64(self.next()?).and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count >= least).ok_or(otherwise)
    }

    /// What LMPOP, ZMPOP and those that block have in common: counted keys, from which end, and how many; the
    /// ends go by these names.
    ///
    /// # Errors
    /// Redis's for counts that are none, and a syntax error for other words.
    pub(crate) fn multi_pop(&mut self, ends: [&str; 2]) -> Result<(&'c [Bytes], End, usize), ErrorReply> {
        let keys = self.counted_keys("ERR numkeys should be greater than 0")?;
        let end = self.end(ends)?;
        let mut count = 1;
        if self.len() > 1 && self.keyword("COUNT") {
            count = self.count(1, ErrorReply::known("ERR count should be greater than 0"))?;
        }
        if self.is_empty() { Ok((keys, end, count)) } else { Err(ErrorReply::SYNTAX) }
    }

    /// One of two ends, by its name.
    ///
    /// # Errors
    /// A syntax error for another word, or none.
    pub(crate) fn end(&mut self, [front, back]: [&str; 2]) -> Result<End, ErrorReply> {
        match self.next()? {
            word if is(word, front) => Ok(End::Front),
            word if is(word, back) => Ok(End::Back),
            _ => Err(ErrorReply::SYNTAX),
        }
    }

    /// How many are to be drawn at random, if that is said: different ones, or below zero any; and whether the
    /// word behind it, `with`, is there. These are the last arguments.
    ///
    /// # Errors
    /// Redis's for what is no such number, and a syntax error for other words.
    pub(crate) fn draw(&mut self, with: &str) -> Result<Option<(i64, bool)>, ErrorReply> {
        if self.is_empty() {
            return Ok(None);
        }
        let count = self.integer()?;
        if count == i64::MIN {
            const BOUNDS: &str =
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
            return Err(ErrorReply::known(BOUNDS));
        }
        let both = self.len() == 1 && self.keyword(with);
        if !self.is_empty() {
            return Err(ErrorReply::SYNTAX);
        }
        if both && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(ErrorReply::known("ERR value is out of range"));
        }
        Ok(Some((count, both)))
    }

    /// A count of keys, and then those keys.
    ///
    /// # Errors
    /// `none` if the count is no number above zero, a syntax error if there are fewer keys.
    pub(crate) fn counted_keys(&mut self, none: &'static str) -> Result<&'c [Bytes], ErrorReply> {
        let count = self.count(1, ErrorReply::known(none))?;
        self.take_many(count)
    }
}

/// Whether an argument is this word, in capitals or not.
pub(crate) fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}
