//! What a server says of itself beside INFO and CONFIG: TIME, ROLE, and that it is no cluster.

use super::args::is;
use super::call::{Answer, Call};
use super::command::help;
use super::row::flag::{ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NOSCRIPT, PROTECTED, READONLY, STALE, WRITE};
use super::row::{Compat, Keys, Row, container, row};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::text::number;

const CHANGES: u32 = ADMIN | STALE | NO_ASYNC_LOADING;
const MODULE: u32 = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED;
const REPLICA: u32 = ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING;

pub(super) const ROWS: &[Row] = &[
    row("asking", 1, FAST, Keys::NONE, no_cluster).since(3, 0),
    container("cluster").since(3, 0),
    row("cluster|addslots", -3, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|addslotsrange", -4, CHANGES, Keys::NONE, no_cluster).since(7, 0),
    row("cluster|bumpepoch", 2, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|cancelslotmigrations", 2, CHANGES, Keys::NONE, no_cluster).only_valkey(9, 0),
    row("cluster|count-failure-reports", 3, ADMIN | STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|countkeysinslot", 3, STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|delslots", -3, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|delslotsrange", -4, CHANGES, Keys::NONE, no_cluster).since(7, 0),
    row("cluster|failover", -2, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|flushslot", -3, WRITE | ADMIN | NO_ASYNC_LOADING, Keys::NONE, no_cluster).only_valkey(9, 0),
    row("cluster|flushslots", 2, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|forget", 3, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|getkeysinslot", 4, STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|getslotmigrations", 2, CHANGES, Keys::NONE, no_cluster).only_valkey(9, 0),
    row("cluster|help", 2, LOADING | STALE, Keys::NONE, no_cluster).since(5, 0),
    row("cluster|info", 2, STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|keyslot", 3, STALE, Keys::NONE, slot).since(3, 0),
    row("cluster|links", 2, STALE, Keys::NONE, no_cluster).since(7, 0),
    row("cluster|meet", -4, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|migrateslots", -4, CHANGES, Keys::NONE, no_cluster).only_valkey(9, 0),
    row("cluster|myid", 2, STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|myshardid", 2, STALE, Keys::NONE, no_cluster).since(7, 2),
    row("cluster|nodes", 2, STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|replicas", 3, ADMIN | STALE, Keys::NONE, no_cluster).since(5, 0),
    row("cluster|replicate", 3, CHANGES, Keys::NONE, no_cluster).since(3, 0).arity_in_valkey(-3),
    row("cluster|reset", -2, ADMIN | NOSCRIPT | STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|saveconfig", 2, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|set-config-epoch", 3, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|setslot", -4, CHANGES, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|shards", 2, STALE, Keys::NONE, no_cluster).since(7, 0),
    row("cluster|slaves", 3, ADMIN | STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|slot-stats", -4, LOADING | STALE, Keys::NONE, no_cluster).since(8, 2).valkey(8, 0),
    row("cluster|slots", 2, STALE, Keys::NONE, no_cluster).since(3, 0),
    row("cluster|syncslots", -3, CHANGES, Keys::NONE, no_cluster).only_valkey(9, 0),
    row("clusterscan", -2, READONLY, Keys::ONE, no_cluster).only_valkey(9, 1),
    row("lolwut", -1, READONLY | FAST, Keys::NONE, lolwut).since(5, 0),
    container("module").since(4, 0),
    row("module|help", 2, LOADING | STALE, Keys::NONE, help).since(5, 0),
    row("module|list", 2, ADMIN | NOSCRIPT, Keys::NONE, nothing).since(4, 0),
    row("module|load", -3, MODULE, Keys::NONE, load).since(4, 0),
    row("module|loadex", -3, MODULE, Keys::NONE, load).since(7, 0),
    row("module|unload", 3, MODULE, Keys::NONE, unload).since(4, 0),
    row("readonly", 1, LOADING | STALE | FAST, Keys::NONE, read_only).since(3, 0),
    row("readwrite", 1, LOADING | STALE | FAST, Keys::NONE, read_only).since(3, 0),
    row("replicaof", 3, REPLICA, Keys::NONE, replica_of).since(5, 0),
    row("role", 1, NOSCRIPT | LOADING | STALE | FAST, Keys::NONE, role).since(2, 8),
    row("slaveof", 3, REPLICA, Keys::NONE, replica_of),
    row("time", 1, LOADING | STALE | FAST, Keys::NONE, time).since(2, 6),
    row("wait", 3, NOSCRIPT, Keys::NONE, wait).since(3, 0),
    row("waitaof", 4, NOSCRIPT, Keys::NONE, wait_aof).since(7, 2),
];

fn nothing(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(Vec::new()))
}

/// There are no modules, as if their files were missing.
fn load(_: &mut Call<'_>) -> Answer {
    Err(ErrorReply::known("ERR Error loading the extension. Please check the server logs."))
}

fn unload(_: &mut Call<'_>) -> Answer {
    Err(ErrorReply::known("ERR Error unloading module: no such module with that name"))
}

fn no_cluster(_: &mut Call<'_>) -> Answer {
    Err(ErrorReply::known("ERR This instance has cluster support disabled"))
}

/// Valkey takes them without a cluster too.
fn read_only(call: &mut Call<'_>) -> Answer {
    if call.compat() == Compat::Valkey9 { Ok(Reply::OK) } else { no_cluster(call) }
}

fn slot(call: &mut Call<'_>) -> Answer {
    if call.compat() != Compat::Valkey9 {
        return no_cluster(call);
    }
    Ok(Reply::Integer(cluster_slot(call.args.next()?).into()))
}

/// The slot of a key in a cluster: that of what stands between the first braces, if anything does.
fn cluster_slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let behind = key.get(open + 1..)?;
        behind.get(..behind.iter().position(|byte| *byte == b'}')?).filter(|tag| !tag.is_empty())
    });
    // CRC16 of XMODEM.
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| (crc << 1) ^ (0x1021 * (crc >> 15)))
    });
    crc % 16_384
}

fn time(call: &mut Call<'_>) -> Answer {
    // Before 7.2 it was the clock's within a script too, and only keys stood still.
    let stands_still = call.compat().has_since(7, 2);
    let micros = if stands_still { call.time().wall_micros() } else { call.space().clock().wall_micros() };
    let parts = [micros / 1_000_000, micros % 1_000_000];
    Ok(Reply::bulks(parts.map(|part| Bytes::from(part.to_string()))))
}

fn role(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(vec![Reply::text("master"), Reply::Integer(0), Reply::Array(Vec::new())]))
}

fn replica_of(call: &mut Call<'_>) -> Answer {
    let (host, port) = (call.args.next()?, call.args.next()?);
    if is(host, "NO") && is(port, "ONE") {
        return Ok(Reply::OK);
    }
    Err(match number::parse_i64(port) {
        Some(0..=65_535) => ErrorReply::known("ERR this server replicates no other"),
        _ => ErrorReply::known("ERR Invalid master port"),
    })
}

/// There are no replicas, and none will come: it does not wait for them.
fn wait(call: &mut Call<'_>) -> Answer {
    call.args.integer()?;
    call.timeout()?;
    Ok(Reply::Integer(0))
}

fn wait_aof(call: &mut Call<'_>) -> Answer {
    let out_of_range = |least: i64, most: i64| {
        ErrorReply::new(format!("ERR value is out of range, value must between {least} and {most}"))
    };
    let local = call.args.integer()?;
    if !(0..=1).contains(&local) {
        return Err(out_of_range(0, 1));
    }
    if call.args.integer()? < 0 {
        return Err(out_of_range(0, i64::MAX));
    }
    call.timeout()?;
    #[cfg(feature = "journal")]
    if let Some(journal) = call.space().journal() {
        // It needs no more time than a sync takes, and is answered when that is done.
        let synced = if local > 0 { journal.sync_or_defer() } else { Ok(()) };
        return synced.map(|()| Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)])).map_err(Into::into);
    }
    if local > 0 {
        return Err(ErrorReply::known(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    Ok(Reply::Array(vec![Reply::Integer(0), Reply::Integer(0)]))
}

fn lolwut(call: &mut Call<'_>) -> Answer {
    let shelves = "  _______\n |o|#|U|8|\n |=======|\n |8|o|_|#|\n |=======|\n";
    let version = call.compat().version();
    let name = if call.compat() == Compat::Valkey9 { "Valkey ver." } else { "Redis ver. " };
    Ok(Reply::Verbatim("txt", Bytes::from(format!("{shelves}\n{name}{version}\n"))))
}
