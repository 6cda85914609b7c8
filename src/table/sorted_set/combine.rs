//! ZUNION, ZINTER, ZDIFF, and what stores them.

use super::members;
use crate::Bytes;
use crate::command::sorted_set::combine::{self as several, Operation};
use crate::command::sorted_set::{Aggregate, Combine};
use crate::key::KeyRef;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::{Args, is};
use crate::table::call::{Answer, Call};
use crate::table::row::Compat;

/// What becomes of several sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Union,
    Intersection,
    Difference,
}

/// What stands behind the keys.
struct Options {
    how: Combine,
    with_scores: bool,
}

pub(super) fn union(call: &mut Call<'_>) -> Answer {
    read(call, Kind::Union)
}

pub(super) fn union_store(call: &mut Call<'_>) -> Answer {
    store(call, Kind::Union)
}

pub(super) fn inter(call: &mut Call<'_>) -> Answer {
    read(call, Kind::Intersection)
}

pub(super) fn inter_store(call: &mut Call<'_>) -> Answer {
    store(call, Kind::Intersection)
}

pub(super) fn diff(call: &mut Call<'_>) -> Answer {
    read(call, Kind::Difference)
}

pub(super) fn diff_store(call: &mut Call<'_>) -> Answer {
    store(call, Kind::Difference)
}

/// ZINTERCARD, with the number at which it may stop counting; 0 is none.
pub(super) fn inter_card(call: &mut Call<'_>) -> Answer {
    let keys = sources(call)?;
    let limit = limit(&mut call.args).map_err(|error| types_first(call, &keys, error))?;
    let len = call.read_all(&keys, |view| several::intersection_len(view, &keys, limit))?;
    Ok(Reply::count(len))
}

fn read(call: &mut Call<'_>, kind: Kind) -> Answer {
    let keys = sources(call)?;
    let options = options(call, kind, keys.len(), false);
    let Options { how, with_scores } = options.map_err(|error| types_first(call, &keys, error))?;
    let found = call.read_all(&keys, |view| several::combine(view, &keys, kind.operation(&how)))?;
    members(call, found, with_scores)
}

fn store(call: &mut Call<'_>, kind: Kind) -> Answer {
    let destination = call.key()?;
    let keys = sources(call)?;
    let options = options(call, kind, keys.len(), true);
    let Options { how, .. } = options.map_err(|error| types_first(call, &keys, error))?;
    let locked: Vec<_> = keys.iter().copied().chain([destination]).collect();
    let len = call.write_all(&locked, |writer| {
        several::combine_into(writer, destination, &keys, kind.operation(&how))
    })?;
    Ok(Reply::count(len))
}

impl Kind {
    fn operation(self, how: &Combine) -> Operation<'_> {
        match self {
            Kind::Union => Operation::Union(how),
            Kind::Intersection => Operation::Intersection(how),
            Kind::Difference => Operation::Difference,
        }
    }
}

/// The keys behind their number.
fn sources<'c>(call: &mut Call<'c>) -> Result<Vec<KeyRef<'c>>, ErrorReply> {
    let count = call.args.integer()?;
    let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
        let name = call.name;
        return Err(ErrorReply::new(format!("ERR at least 1 input key is needed for '{name}' command")));
    };
    let names = call.args.take_many(count)?;
    Ok(call.key_refs(names))
}

/// The error in a command's options, if its keys hold what they should: Redis looks at them before.
fn types_first(call: &Call<'_>, keys: &[KeyRef<'_>], error: ErrorReply) -> ErrorReply {
    call.read_all(keys, |view| several::check(view, keys)).err().map_or(error, ErrorReply::from)
}

fn options(call: &mut Call<'_>, kind: Kind, keys: usize, stores: bool) -> Result<Options, ErrorReply> {
    let mut options = Options { how: Combine::new(), with_scores: false };
    let scores = kind != Kind::Difference;
    let compat = call.compat();
    let args = &mut call.args;
    let weight =
        |text: &Bytes| compat.parse_score(text).ok_or(ErrorReply::known("ERR weight value is not a float"));
    while let Some(word) = args.take() {
        if is(word, "WEIGHTS") && scores && args.len() >= keys {
            let weights = args.take_many(keys)?.iter().map(weight).collect::<Result<Vec<_>, _>>()?;
            options.how = options.how.weights(weights);
        } else if is(word, "AGGREGATE") && scores && !args.is_empty() {
            options.how = options.how.aggregate(aggregate(args.next()?, compat)?);
        } else if is(word, "WITHSCORES") && !stores {
            options.with_scores = true;
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    Ok(options)
}

fn aggregate(word: &[u8], compat: Compat) -> Result<Aggregate, ErrorReply> {
    if compat == Compat::Redis810 && is(word, "COUNT") {
        return Ok(Aggregate::Count);
    }
    let named = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)];
    named.into_iter().find_map(|(name, how)| is(word, name).then_some(how)).ok_or(ErrorReply::SYNTAX)
}

fn limit(args: &mut Args<'_>) -> Result<Option<usize>, ErrorReply> {
    let mut limit = None;
    while let Some(word) = args.take() {
        if !is(word, "LIMIT") || args.is_empty() {
            return Err(ErrorReply::SYNTAX);
        }
        let most = args.integer().ok().and_then(|most| usize::try_from(most).ok());
        let most = most.ok_or(ErrorReply::known("ERR LIMIT can't be negative"))?;
        limit = (most > 0).then_some(most);
    }
    Ok(limit)
}
