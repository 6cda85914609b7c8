//! The glob patterns of KEYS, SCAN and PSUBSCRIBE.
//!
//! | written | matches |
//! | --- | --- |
//! | `*` | any bytes, also none |
//! | `?` | one byte |
//! | `[abc]`, `[a-z]` | one byte of the class; the ends of a range may stand in either order |
//! | `[^a]` | one byte outside of the class |
//! | `\x` | the byte `x`, whatever it means elsewhere; also inside a class |
//!
//! A class that is not closed ends with the pattern. A backslash at the pattern's end stands for itself. The
//! first `]` closes a class, so `[]` matches nothing and `[^]` any byte.

/// Whether the whole of `text` matches the glob. O(pattern x text) at worst, without recursion.
///
/// An empty text matches only the empty pattern: not even `*`, which is Redis's rule for channels. For keys
/// and members, where a lone `*` means all of them, ask [`Pattern::matches`].
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern, mut text) = (pattern, text);
    // What follows the last star, and the text it was last tried on. Earlier stars need no second try: giving
    // one of them more text only leaves less for the same rest.
    let mut retry: Option<(&[u8], &[u8])> = None;
    while let Some((&byte, text_rest)) = text.split_first() {
        if pattern.first() == Some(&b'*') {
            pattern = skip_stars(pattern);
            if pattern.is_empty() {
                return true;
            }
            retry = Some((pattern, text));
            continue;
        }
        if let Some(pattern_rest) = match_one(pattern, byte) {
            (pattern, text) = (pattern_rest, text_rest);
            continue;
        }
        match retry {
            Some((after_star, [_, shorter @ ..])) => {
                retry = Some((after_star, shorter));
                (pattern, text) = (after_star, shorter);
            }
            _ => return false,
        }
    }
    skip_stars(pattern).is_empty()
}

/// A glob over keys, members or fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern<'a>(&'a [u8]);

impl<'a> Pattern<'a> {
    /// The pattern written in `glob`; every byte string is one.
    pub(crate) fn new(glob: &'a [u8]) -> Self {
        Pattern(glob)
    }

    /// Whether this is `*`, which matches everything, the empty text as well. O(1).
    pub(crate) fn is_all(&self) -> bool {
        self.0 == b"*"
    }

    /// The one text that matches, where the pattern has no special byte: a lookup instead of a scan. O(n).
    pub(crate) fn literal(&self) -> Option<&'a [u8]> {
        let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        if self.0.iter().any(special) { None } else { Some(self.0) }
    }

    /// Whether the whole of `text` matches. Costs as [`matches`].
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.is_all() || matches(self.0, text)
    }
}

fn skip_stars(mut pattern: &[u8]) -> &[u8] {
    while let [b'*', rest @ ..] = pattern {
        pattern = rest;
    }
    pattern
}

/// The pattern after its first element, which is no star, if that element matches `byte`.
fn match_one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (matched, rest) = match pattern {
        [] => return None,
        [b'?', rest @ ..] => (true, rest),
        [b'[', b'^', class @ ..] => {
            let (found, rest) = match_class(class, byte);
            (!found, rest)
        }
        [b'[', class @ ..] => match_class(class, byte),
        [b'\\', escaped, rest @ ..] => (*escaped == byte, rest),
        [plain, rest @ ..] => (*plain == byte, rest),
    };
    matched.then_some(rest)
}

/// Whether `byte` is in the class whose members start here, and the pattern after the class.
fn match_class(mut class: &[u8], byte: u8) -> (bool, &[u8]) {
    // Redis compares the ends of a range as C's `char`, which is signed on x86 and on Apple's machines, so
    // that `[a-\xff]` is the bytes from 0xff over 0x00 to `a`. It only shows where a range crosses 0x80.
    let signed = |byte: u8| byte as i8;
    let mut found = false;
    loop {
        class = match class {
            [] => return (found, class),
            [b'\\', escaped, rest @ ..] => {
                found |= *escaped == byte;
                rest
            }
            [b']', rest @ ..] => return (found, rest),
            [start, b'-', end, rest @ ..] => {
                let (start, end) = (signed(*start), signed(*end));
                found |= (start.min(end)..=start.max(end)).contains(&signed(byte));
                rest
            }
            [plain, rest @ ..] => {
                found |= *plain == byte;
                rest
            }
        };
    }
}

/// The meaning of a glob, said as plainly as can be.
#[cfg(any(test, fuzzing))]
pub(crate) mod plain {
    /// Whether a text that is not empty matches; exponential.
    pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
            (_, []) => false,
            ([b'?', rest @ ..], [_, text @ ..]) => matches(rest, text),
            ([b'\\', escaped, rest @ ..], [byte, text @ ..]) => escaped == byte && matches(rest, text),
            ([b'[', class @ ..], [byte, text @ ..]) => {
                let negated = class.first() == Some(&b'^');
                let (members, rest) = class_of(&class[usize::from(negated)..]);
                members.contains(byte) != negated && matches(rest, text)
            }
            ([plain, rest @ ..], [byte, text @ ..]) => plain == byte && matches(rest, text),
        }
    }

    fn class_of(class: &[u8]) -> (Vec<u8>, &[u8]) {
        let (mut members, mut at) = (Vec::new(), 0);
        while at < class.len() && class[at] != b']' {
            if class[at] == b'\\' && at + 1 < class.len() {
                members.push(class[at + 1]);
                at += 2;
            } else if at + 2 < class.len() && class[at + 1] == b'-' {
                let ends = [class[at] as i8, class[at + 2] as i8];
                let inside = |byte: &u8| {
                    ends.iter().min() <= Some(&(*byte as i8)) && Some(&(*byte as i8)) <= ends.iter().max()
                };
                members.extend((0..=255).filter(inside));
                at += 3;
            } else {
                members.push(class[at]);
                at += 1;
            }
        }
        (members, class.get(at + 1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::plain::matches as reference;
    use super::*;
    use proptest::prelude::*;

    fn pattern() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"**?[[]]^-\\aabc\xff".to_vec()), 0..10)
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"aaabbc]-\\^*\xff".to_vec()), 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn agrees_with_the_reference(pattern in pattern(), text in text()) {
            prop_assert_eq!(matches(&pattern, &text), reference(&pattern, &text));
        }

        #[test]
        fn agrees_with_the_reference_where_it_matches(text in text(), cuts in any::<[u8; 6]>()) {
            // A pattern made from the text, so that long matches are as common as misses.
            let mut pattern = Vec::new();
            for (&byte, cut) in text.iter().zip(cuts.iter().cycle()) {
                match cut % 6 {
                    0 => pattern.extend([b'*', b'\\', byte]),
                    1 => pattern.push(b'?'),
                    2 => pattern.push(b'*'),
                    3 => pattern.extend([b'[', b'\\', byte, b'x', b']']),
                    4 => pattern.extend(b"[^x-z]"),
                    _ => pattern.extend([b'\\', byte]),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), reference(&pattern, &text));
        }

        #[test]
        fn takes_any_bytes(pattern in any::<Vec<u8>>(), text in any::<Vec<u8>>()) {
            if let Some(literal) = Pattern::new(&pattern).literal() {
                prop_assert!(matches(&pattern, literal));
                prop_assert_eq!(matches(&pattern, &text), literal == text);
            }
        }
    }

    #[test]
    fn the_corners_of_a_class() {
        // Pattern, texts that match, texts that do not: as a Redis 7.0 server answers on x86-64.
        type Row = (&'static [u8], &'static [&'static [u8]], &'static [&'static [u8]]);
        let table: &[Row] = &[
            (b"[", &[], &[b"[", b"a"]),
            (b"[^", &[b"a", b"["], &[b"ab"]),
            (b"[a", &[b"a"], &[b"b", b"[a"]),
            (b"[]", &[], &[b"a", b"]", b"[]"]),
            (b"[^]", &[b"a", b"]"], &[b"ab"]),
            (b"[]a]", &[], &[b"a", b"a]"]),
            (b"[z-a]", &[b"a", b"m", b"z"], &[b"-"]),
            (b"[a-]", &[b"a", b"_", b"]"], &[b"-", b"b"]),
            (b"[a-", &[b"a", b"-"], &[b"b"]),
            (b"[\\]-a]", &[b"]", b"-", b"a"], &[b"b", b"\\"]),
            (b"[\\", &[b"\\"], &[b"["]),
            (b"[a-\xff]", &[b"a", b"\xff", b"0"], &[b"b", b"\xfe"]),
            (b"a\\", &[b"a\\"], &[b"a"]),
            (b"\\*", &[b"*"], &[b"a"]),
        ];
        for (pattern, good, bad) in table {
            good.iter().for_each(|text| assert!(matches(pattern, text), "{pattern:?} {text:?}"));
            bad.iter().for_each(|text| assert!(!matches(pattern, text), "{pattern:?} {text:?}"));
        }
    }

    #[test]
    fn an_empty_text_matches_an_empty_pattern_or_all() {
        assert!(matches(b"", b"") && !matches(b"*", b"") && !matches(b"**", b"") && !matches(b"", b"a"));
        assert!(Pattern::new(b"*").matches(b"") && !Pattern::new(b"**").matches(b""));
        assert_eq!(Pattern::new(b"user:7").literal(), Some(&b"user:7"[..]));
        assert_eq!(Pattern::new(b"user:?").literal(), None);
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        let pattern = b"a*".repeat(200).into_iter().chain(*b"b").collect::<Vec<u8>>();
        assert!(!matches(&pattern, &[b'a'; 4_000]));
    }
}
