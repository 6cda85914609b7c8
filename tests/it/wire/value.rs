//! Replies taken apart, for those that need not be the same byte for byte.

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A kind, and its line or bytes.
    One(u8, Vec<u8>),
    Many(u8, Vec<Value>),
}

impl Value {
    pub fn parse(bytes: &[u8]) -> Option<Value> {
        let (value, rest) = parse(bytes)?;
        rest.is_empty().then_some(value)
    }

    /// The same with its elements in an order of their own.
    pub fn sorted(mut self) -> Value {
        if let Value::Many(_, items) = &mut self {
            items.sort();
        }
        self
    }

    /// The same for a list of names with their values.
    pub fn sorted_pairs(self) -> Value {
        match self {
            Value::Many(kind, items) => {
                let mut pairs: Vec<_> = items.chunks(2).map(<[Value]>::to_vec).collect();
                pairs.sort();
                Value::Many(kind, pairs.concat())
            }
            one => one,
        }
    }

    /// The same with 0 for -0.
    pub fn without_sign_of_zero(self) -> Value {
        match self {
            Value::One(kind @ (b'$' | b','), text) if text == b"-0" => Value::One(kind, b"0".to_vec()),
            Value::Many(kind, items) => {
                Value::Many(kind, items.into_iter().map(Value::without_sign_of_zero).collect())
            }
            one => one,
        }
    }

    /// Whether numbers are no further apart than that, and all else is the same.
    pub fn is_near(&self, other: &Value, slack: i64) -> bool {
        match (self, other) {
            (Value::Many(kind, items), Value::Many(other, others)) => {
                kind == other
                    && items.len() == others.len()
                    && items.iter().zip(others).all(|(item, other)| item.is_near(other, slack))
            }
            (Value::One(b':', line), Value::One(b':', other)) => match (number(line), number(other)) {
                // Negative ones are no times, but say that there is none.
                (Some(a), Some(b)) => a == b || (a >= 0 && b >= 0 && (a - b).abs() <= slack),
                _ => false,
            },
            _ => self == other,
        }
    }

    /// Whether all is the same but for times, which may be so far apart: of what is pending, the number behind its
    /// id and consumer; else those that stand behind such a name.
    pub fn is_same_but_times(&self, other: &Value, slack: i64) -> bool {
        const NAMES: [&[u8]; 4] = [b"idle", b"inactive", b"seen-time", b"active-time"];
        let (Value::Many(kind, items), Value::Many(other, others)) = (self, other) else {
            return self == other;
        };
        let is_id = |item: &Value| matches!(item, Value::One(b'$', text) if text.contains(&b'-'));
        let is_pending = items.len() >= 3 && items.first().is_some_and(is_id);
        let place = items.iter().position(|item| matches!(item, Value::One(b':', _)));
        let is_time = |at: usize| {
            let named = |item: &Value| matches!(item, Value::One(b'$', name) if NAMES.contains(&&name[..]));
            (is_pending && place == Some(at)) || (at > 0 && items.get(at - 1).is_some_and(named))
        };
        let same = |(at, (item, other)): (usize, (&Value, &Value))| {
            if is_time(at) { item.is_near(other, slack) } else { item.is_same_but_times(other, slack) }
        };
        kind == other && items.len() == others.len() && items.iter().zip(others).enumerate().all(same)
    }

    /// The byte strings in it, or the one that it is; nothing is none.
    pub fn texts(self) -> Vec<Vec<u8>> {
        match self {
            Value::Many(_, items) => items.into_iter().flat_map(Value::texts).collect(),
            Value::One(b'$', text) => vec![text],
            Value::One(..) => Vec::new(),
        }
    }

    /// The turn of a walk, with its elements put in order.
    pub fn turn(self, order: impl Fn(Value) -> Value) -> Value {
        match self {
            Value::Many(kind, items) => Value::Many(kind, items.into_iter().map(order).collect()),
            one => one,
        }
    }

    /// Whether both are of one kind, and the same if they are errors or nothing.
    pub fn is_same_kind(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::One(b'$', _), Value::One(b'$', _)) => true,
            (Value::One(b':', _), Value::One(b':', _)) => true,
            (Value::Many(kind, _), Value::Many(other, _)) => kind == other,
            _ => self == other,
        }
    }

    /// Whether it is of the same kind and length.
    pub fn is_like(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Many(kind, items), Value::Many(other, others)) => {
                kind == other && items.len() == others.len()
            }
            (Value::One(kind, line), Value::One(other, other_line)) => {
                kind == other && (matches!(*kind, b'$' | b'=') || line == other_line)
            }
            _ => false,
        }
    }
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}

fn parse(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (kind, line, rest) = (*bytes.first()?, &bytes[1..end], &bytes[end + 2..]);
    let length = number(line).filter(|length| *length >= 0);
    let parts = match (kind, length) {
        (b'$' | b'=', Some(length)) => {
            let (text, rest) = rest.split_at_checked(length as usize)?;
            return Some((Value::One(kind, text.to_vec()), rest.strip_prefix(b"\r\n")?));
        }
        (b'*' | b'~' | b'>', Some(length)) => length,
        (b'%', Some(length)) => 2 * length,
        // No string is not one of these two bytes.
        (b'$', None) => return Some((Value::One(b'_', b"$".to_vec()), rest)),
        _ => return Some((Value::One(kind, line.to_vec()), rest)),
    };
    let (mut items, mut rest) = (Vec::new(), rest);
    for _ in 0..parts {
        let (item, left) = parse(rest)?;
        items.push(item);
        rest = left;
    }
    Some((Value::Many(kind, items), rest))
}
