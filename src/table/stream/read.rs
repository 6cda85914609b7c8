//! XREAD, XREADGROUP.

use std::time::Duration;

use super::parse::strict_id;
use super::{Bytes, Call, Compat, ErrorReply, Reply, StreamId, is, of_item};
use crate::command::blocking::{Attempt, Served};
use crate::command::stream;
use crate::command::stream::read::{Gone, GroupRead, Limits, ReadFrom, Reads};
use crate::resp::Protocol;
use crate::table::call::Blocked;
use crate::text::number::parse_i64;

/// The places of the keys: the first half of what is behind STREAMS.
pub(super) fn keys(words: &[Bytes]) -> Vec<usize> {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        if is(word, "STREAMS") {
            let count = words.len() - at - 1;
            return if count % 2 == 0 { (at + 1..at + 1 + count / 2).collect() } else { Vec::new() };
        }
        let taken = [
            ("BLOCK", 1),
            ("COUNT", 1),
            ("MAXCOUNT", 1),
            ("MAXSIZE", 1),
            ("CLAIM", 1),
            ("GROUP", 2),
            ("NOACK", 0),
        ];
        match taken.into_iter().find(|(name, _)| is(word, name)) {
            Some((_, more)) => at += 1 + more,
            None => break,
        }
    }
    Vec::new()
}

#[derive(Default)]
struct Options {
    count: usize,
    /// What is read of all streams together: entries, and bytes of the reply.
    total: Option<usize>,
    size: Option<usize>,
    /// How long it may wait: not at all, for ever, or so long.
    block: Option<Option<Duration>>,
    group: Option<[Bytes; 2]>,
    no_ack: bool,
    claim: Option<u64>,
    streams: Option<Vec<Bytes>>,
}

pub(super) fn read(call: &mut Call<'_>, by_group: bool) -> Result<Blocked, ErrorReply> {
    let options = options(call, by_group)?;
    let words = options.streams.ok_or(ErrorReply::SYNTAX)?;
    if by_group && options.group.is_none() {
        return Err(ErrorReply::known("ERR Missing GROUP option for XREADGROUP"));
    }
    let limits = Limits {
        count: if options.count == 0 { usize::MAX } else { options.count },
        total: options.total.unwrap_or(usize::MAX),
        size: options.size.unwrap_or(usize::MAX),
    };
    if limits.total < options.count {
        return Err(ErrorReply::known("ERR MAXCOUNT must be greater than or equal to COUNT"));
    }
    let (keys, ids) = words.split_at(words.len() / 2);
    let no_ack = options.no_ack;
    let claim = options.claim;
    let group = options.group.map(|[group, consumer]| GroupRead { group, consumer, no_ack, claim });
    let compat = call.compat();
    let knows_last = compat == Compat::Valkey9 || compat.redis() >= (7, 4);
    let mut from = Vec::with_capacity(ids.len());
    for (at, id) in ids.iter().enumerate() {
        match read_from(id, by_group, knows_last) {
            Ok(id) => from.push(id),
            Err(error) => {
                // What is wrong with the streams before it, and with its own, comes first.
                check(call, keys.get(..=at).unwrap_or_default(), group.as_ref())?;
                return Err(error);
            }
        }
    }
    let version = call.compat().streams();
    check(call, keys, group.as_ref())?;
    let attempt = Attempt::Read(Box::new(Reads::new(from, limits, group, version)));
    let served = match (call.session.protocol(), version < (7, 2)) {
        (Protocol::Resp3, old) => {
            if old {
                reply::<true, true>
            } else {
                reply::<true, false>
            }
        }
        (_, old) => {
            if old {
                reply::<false, true>
            } else {
                reply::<false, false>
            }
        }
    };
    let blocked = Blocked { keys: keys.to_vec(), attempt, timeout: None, served, nothing: Reply::NilArray };
    match options.block {
        Some(timeout) => Ok(Blocked { timeout, ..blocked }),
        None => Ok(Blocked { timeout: Some(Duration::ZERO), ..blocked }),
    }
}

/// Up to 7.0 a script's command may not even ask for it; later it does not wait.
fn check_may_block(call: &Call<'_>) -> Result<(), ErrorReply> {
    #[cfg(feature = "lua")]
    if call.compat() == Compat::Redis70 && call.session.scripting.is_part {
        let why = b" command is not allowed with BLOCK option from scripts";
        return Err(ErrorReply::of_bytes([b"ERR ", call.said, why].concat()));
    }
    #[cfg(not(feature = "lua"))]
    let _ = call;
    Ok(())
}

fn options(call: &mut Call<'_>, by_group: bool) -> Result<Options, ErrorReply> {
    const GROUP: ErrorReply =
        ErrorReply::known("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
    const NOACK: ErrorReply =
        ErrorReply::known("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
    const MAXCOUNT: ErrorReply = ErrorReply::known("ERR MAXCOUNT must be a positive integer");
    const MAXSIZE: ErrorReply = ErrorReply::known("ERR MAXSIZE must be a positive integer");
    let has_caps = call.compat().redis() >= (8, 10);
    let claims = by_group && call.compat().redis() >= (8, 4);
    let mut options = Options::default();
    while let Some(word) = call.args.take() {
        let more = call.args.len();
        if is(word, "BLOCK") && more > 0 {
            check_may_block(call)?;
            let millis = call.timeout()?;
            // 0 is for ever.
            options.block = Some((millis > 0).then(|| Duration::from_millis(millis)));
        } else if is(word, "COUNT") && more > 0 {
            options.count = usize::try_from(call.args.integer()?).unwrap_or(0);
        } else if has_caps && is(word, "MAXCOUNT") && more > 0 {
            options.total = Some(positive(call).ok_or(MAXCOUNT)?);
        } else if has_caps && is(word, "MAXSIZE") && more > 0 {
            options.size = Some(positive(call).ok_or(MAXSIZE)?);
        } else if is(word, "STREAMS") && more > 0 {
            if more % 2 == 1 {
                // Up to 7.0 both went by one name.
                let (name, ids) = match call.compat().redis() {
                    (7, 0) => ("XREAD", "an ID or '$'"),
                    _ if by_group => ("'xreadgroup'", "an ID or '>'"),
                    (7, _) => ("'xread'", "an ID or '$'"),
                    _ => ("'xread'", "an ID, '+', or '$'"),
                };
                return Err(ErrorReply::new(format!(
                    "ERR Unbalanced {name} list of streams: for each stream key {ids} must be specified."
                )));
            }
            options.streams = Some(call.args.take_rest().to_vec());
        } else if is(word, "GROUP") && more > 1 {
            if !by_group {
                return Err(GROUP);
            }
            options.group = Some([call.args.next()?.clone(), call.args.next()?.clone()]);
        } else if is(word, "NOACK") {
            if !by_group {
                return Err(NOACK);
            }
            options.no_ack = true;
        } else if claims && is(word, "CLAIM") && more > 0 {
            let idle = call.args.integer()?;
            options.claim = Some(u64::try_from(idle).map_err(|_| ErrorReply::OUT_OF_RANGE)?);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    Ok(options)
}

/// The next argument, if it is a number above zero.
fn positive(call: &mut Call<'_>) -> Option<usize> {
    let number = call.args.take().and_then(|word| parse_i64(word))?;
    usize::try_from(number).ok().filter(|number| *number > 0)
}

fn read_from(id: &[u8], by_group: bool, knows_last: bool) -> Result<ReadFrom, ErrorReply> {
    const NEW: ErrorReply = ErrorReply::known(
        "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer \
         by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty \
         result set.",
    );
    const LAST: ErrorReply = ErrorReply::known(
        "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer \
         by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty \
         result set.",
    );
    const UNREAD: ErrorReply = ErrorReply::known(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    );
    match id {
        b"$" if by_group => Err(NEW),
        b"+" if by_group && knows_last => Err(LAST),
        b">" if !by_group => Err(UNREAD),
        b"$" | b">" => Ok(ReadFrom::New),
        b"+" if knows_last => Ok(ReadFrom::Last),
        // To Redis the last id that there is and `>` are one and the same.
        id => strict_id(id).map(|id| match id {
            StreamId::MAX if by_group => ReadFrom::New,
            id => ReadFrom::After(id),
        }),
    }
}

/// Whether these can be read.
fn check(call: &Call<'_>, names: &[Bytes], group: Option<&GroupRead>) -> Result<(), ErrorReply> {
    for name in names {
        let has_group = call.read(call.key_ref(name), |view, key| {
            let of = |stream: &crate::value::stream::Stream| {
                group.is_none_or(|reader| stream.group(&reader.group).is_some())
            };
            Ok(stream::look(view, key, of)?.unwrap_or(group.is_none()))
        })?;
        if let (false, Some(reader)) = (has_group, group) {
            return Err(ErrorReply::no_group(name, &reader.group, IN_READ));
        }
    }
    Ok(())
}

const IN_READ: &[u8] = b" in XREADGROUP with GROUP option";

/// The entries by stream; why it waited in vain, in words that 7.2 changed.
fn reply<const RESP3: bool, const OLD: bool>(served: Served) -> Reply {
    let found = match served {
        Served::Entries(found) => found,
        Served::Gone(gone) => return Reply::Error(gone_text(gone, OLD)),
        _ => return Reply::NilArray,
    };
    let streams = found
        .into_iter()
        .map(|(name, items)| (Reply::Bulk(name), Reply::Array(items.into_iter().map(of_item).collect())));
    if RESP3 {
        return Reply::Map(streams.collect());
    }
    Reply::Array(streams.map(|(name, items)| Reply::Array(vec![name, items])).collect())
}

fn gone_text(gone: Gone, old: bool) -> ErrorReply {
    match gone {
        Gone::Key(_) | Gone::WrongType if old => {
            ErrorReply::known("UNBLOCKED the stream key no longer exists")
        }
        Gone::Group(_) if old => {
            ErrorReply::known("NOGROUP the consumer group this client was blocked on no longer exists")
        }
        Gone::WrongType => crate::Error::WrongType.into(),
        Gone::Key(group) | Gone::Group(group) => ErrorReply::no_group(&group.key, &group.group, IN_READ),
    }
}
