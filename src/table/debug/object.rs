//! DEBUG OBJECT: how a server keeps what a key holds.

use crate::Bytes;
use crate::command::object::{encoding, references};
use crate::rdb;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::table::object::manner;
use crate::table::row::Compat;
use crate::value::{Value, ValueRef};

/// How Redis counts seconds for those keys that were not used for long.
const LRU_BITS: u64 = (1 << 24) - 1;

/// Whether these words may follow the key: Valkey takes one, of which it looks for FAST.
pub(super) fn takes(words: &[Bytes], compat: Compat) -> bool {
    words.is_empty() || compat == Compat::Valkey9 && words.len() == 1
}

/// One line. O(value)
pub(super) fn describe(call: &Call<'_>, name: &Bytes, words: &[Bytes]) -> Answer {
    let (clock, compat) = (call.space().clock(), call.compat());
    call.space().encode_natives(call.db().index(), std::iter::once(&name[..]));
    let how = manner(call);
    // Shared, so that it is measured without a lock.
    let found = call.read(call.db().key_ref(name), |view, key| {
        let kept = encoding(view, key, how).zip(references(view, key, how));
        let found = kept.zip(view.quiet().glance(key).map(|entry| entry.value.to_value()));
        Ok(found.zip(view.last_use(key)))
    })?;
    let (((encoding, references), value), seen) = found.ok_or(ErrorReply::known("ERR no such key"))?;
    let bytes = rdb::measure(ValueRef::Whole(&value), compat, clock, clock.now()).map_err(|what| {
        ErrorReply::new(format!("ERR the key has {what}, which this version of the server cannot hold"))
    })?;
    // Where it lies is told to nobody: that is a number of the name's own.
    let at = crc32fast::hash(name);
    let mut line = format!("Value at:0x{at:012x} refcount:{references} encoding:{encoding}");
    let is_fast = words.iter().any(|word| is(word, "FAST"));
    if !is_fast {
        line.push_str(&format!(" serializedlength:{bytes}"));
    }
    let last = (clock.wall() / 1000).saturating_sub(seen.idle) & LRU_BITS;
    line.push_str(&format!(" lru:{last} lru_seconds_idle:{}", seen.idle));
    if let (Value::List(list), "quicklist") = (&value, encoding) {
        let (count, size) = rdb::nodes_of(list, compat);
        let average = list.len() as f64 / count.max(1) as f64;
        line.push_str(&format!(
            " ql_nodes:{count} ql_avg_node:{average:.2} ql_listpack_max:-2 ql_compressed:0"
        ));
        if !is_fast {
            line.push_str(&format!(" ql_uncompressed_size:{size}"));
        }
    }
    Ok(Reply::Status(line.into()))
}
