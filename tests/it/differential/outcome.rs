//! What comes of an operation, in one form for both sides.

use std::collections::BTreeMap;

use larder::{Bytes, Error, Ttl};

/// A result of the typed API or a reply of Redis.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Nil,
    Int(i64),
    /// As Rust writes it; -0 as 0, since Redis keeps the sign in large sorted sets and not in small ones.
    Float(String),
    Bytes(Bytes),
    List(Vec<Outcome>),
    /// In an order of its own.
    Set(Vec<Outcome>),
    Map(BTreeMap<Outcome, Outcome>),
    /// Milliseconds of two clocks: equal if they are close.
    Time(i64),
    Error(String),
}

/// What a reply of Redis means, where its form does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Plain,
    /// A list in no particular order.
    Unordered,
    /// A list, which is nil where the key is missing.
    Elements,
    /// OK where it was done, nil where it was not.
    Done,
    /// A number that is missing where it is less than this.
    AtLeast(i64),
    /// A list of numbers, of which only those above 0 mean that it was done.
    Yes,
    /// A decimal number, or a list that has some.
    Float,
    /// Members, each with its score behind it.
    Scored,
    /// Fields, each with its value behind it.
    Fields,
    /// Fields with values, in no particular order and perhaps repeated.
    Entries,
    /// A key, and the members that were taken from it, each in a list with its score.
    ScoredFrom,
    /// A cursor, and the keys of its page.
    Page,
    /// A time, or a list of them, and small negative numbers for there being none.
    Time,
}

impl Outcome {
    pub fn shaped(self, shape: Shape) -> Outcome {
        let pairs = |list: Vec<Outcome>| -> Vec<(Outcome, Outcome)> {
            list.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        };
        let scored = |list| pairs(list).into_iter().map(|(m, s)| Outcome::List(vec![m, s.float()])).collect();
        match (shape, self) {
            (_, error @ Outcome::Error(_)) => error,
            (Shape::Unordered, Outcome::List(list)) => set(list),
            (Shape::Elements, Outcome::Nil) => Outcome::List(Vec::new()),
            (Shape::Done, Outcome::Nil) => Outcome::Int(0),
            (Shape::Done, Outcome::Bytes(ok)) if ok == "OK" => Outcome::Int(1),
            (Shape::AtLeast(least), Outcome::Int(number)) if number < least => Outcome::Nil,
            (Shape::Yes, Outcome::List(list)) => {
                Outcome::List(list.into_iter().map(|number| (number > Outcome::Int(0)).into()).collect())
            }
            (Shape::Float, Outcome::List(list)) => {
                Outcome::List(list.into_iter().map(Outcome::float).collect())
            }
            (Shape::Float, other) => other.float(),
            (Shape::Scored, Outcome::List(list)) => Outcome::List(scored(list)),
            (Shape::Fields, Outcome::List(list)) => Outcome::Map(pairs(list).into_iter().collect()),
            (Shape::Entries, Outcome::List(list)) => {
                set(pairs(list).into_iter().map(|(field, value)| Outcome::List(vec![field, value])).collect())
            }
            (Shape::ScoredFrom, Outcome::List(list)) => {
                let [key, Outcome::List(members)] = &list[..] else { return Outcome::List(list) };
                let members = members.iter().flat_map(Outcome::items).cloned().collect();
                Outcome::List(vec![key.clone(), Outcome::List(scored(members))])
            }
            (Shape::Page, Outcome::List(list)) => match <[Outcome; 2]>::try_from(list) {
                Ok([_, Outcome::List(keys)]) => set(keys),
                _ => Outcome::Nil,
            },
            (Shape::Time, Outcome::List(list)) => {
                Outcome::List(list.into_iter().map(|time| time.shaped(Shape::Time)).collect())
            }
            (Shape::Time, Outcome::Int(time)) if time >= 0 => Outcome::Time(time),
            (_, other) => other,
        }
    }

    fn float(self) -> Outcome {
        match &self {
            Outcome::Bytes(text) => match text.as_str().and_then(|text| text.parse::<f64>().ok()) {
                Some(number) => Outcome::from(number),
                None => self,
            },
            _ => self,
        }
    }

    /// Whether both are the same, times that differ by no more than `slack` milliseconds included.
    pub fn is(&self, other: &Outcome, slack: i64) -> bool {
        match (self, other) {
            (Outcome::Time(a), Outcome::Time(b)) => a.abs_diff(*b) <= slack.unsigned_abs(),
            (Outcome::List(a), Outcome::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is(b, slack))
            }
            _ => self == other,
        }
    }

    /// What is in a list.
    pub fn items(&self) -> &[Outcome] {
        match self {
            Outcome::List(items) | Outcome::Set(items) => items,
            Outcome::Nil => &[],
            one => std::slice::from_ref(one),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Outcome::Bytes(bytes) => bytes.to_vec(),
            _ => panic!("no bytes: {self:?}"),
        }
    }
}

/// A list in no particular order.
fn set(mut items: Vec<Outcome>) -> Outcome {
    items.sort();
    Outcome::Set(items)
}

/// A time that may be missing.
pub fn time(ttl: Ttl) -> Outcome {
    match ttl {
        Ttl::Missing => Outcome::Int(-2),
        Ttl::Forever => Outcome::Int(-1),
        Ttl::Left(left) => Outcome::Time(left.as_millis() as i64),
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Nil => write!(f, "nil"),
            Outcome::Int(number) => write!(f, "{number}"),
            Outcome::Float(number) => write!(f, "{number}"),
            Outcome::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Outcome::List(items) => f.debug_list().entries(items).finish(),
            Outcome::Set(items) => f.debug_set().entries(items).finish(),
            Outcome::Map(entries) => f.debug_map().entries(entries).finish(),
            Outcome::Time(time) => write!(f, "{time} ms"),
            Outcome::Error(text) => write!(f, "error {text:?}"),
        }
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Outcome::Bytes("OK".into())
    }
}

impl From<bool> for Outcome {
    fn from(yes: bool) -> Self {
        Outcome::Int(yes.into())
    }
}

impl From<i64> for Outcome {
    fn from(number: i64) -> Self {
        Outcome::Int(number)
    }
}

impl From<usize> for Outcome {
    fn from(number: usize) -> Self {
        Outcome::Int(number as i64)
    }
}

impl From<u64> for Outcome {
    fn from(number: u64) -> Self {
        Outcome::Int(number as i64)
    }
}

impl From<f64> for Outcome {
    fn from(number: f64) -> Self {
        // Adding 0 changes -0 only.
        Outcome::Float(format!("{:?}", number + 0.0))
    }
}

impl From<Bytes> for Outcome {
    fn from(bytes: Bytes) -> Self {
        Outcome::Bytes(bytes)
    }
}

impl<A: Into<Outcome>, B: Into<Outcome>> From<(A, B)> for Outcome {
    fn from((a, b): (A, B)) -> Self {
        Outcome::List(vec![a.into(), b.into()])
    }
}

impl<T: Into<Outcome>> From<Option<T>> for Outcome {
    fn from(value: Option<T>) -> Self {
        value.map_or(Outcome::Nil, T::into)
    }
}

impl<T: Into<Outcome>> From<Vec<T>> for Outcome {
    fn from(items: Vec<T>) -> Self {
        Outcome::List(items.into_iter().map(T::into).collect())
    }
}

impl<T: Into<Outcome>> From<Result<T, Error>> for Outcome {
    fn from(result: Result<T, Error>) -> Self {
        result.map_or_else(|error| Outcome::Error(error.to_string()), T::into)
    }
}
