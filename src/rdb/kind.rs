//! The bytes that tell what comes next: types of values, and opcodes.

pub(super) const STRING: u8 = 0;
pub(super) const LIST: u8 = 1;
pub(super) const SET: u8 = 2;
/// With scores as text.
pub(super) const ZSET: u8 = 3;
pub(super) const HASH: u8 = 4;
/// With scores as doubles.
pub(super) const ZSET_2: u8 = 5;
pub(super) const MODULE_OLD: u8 = 6;
pub(super) const MODULE: u8 = 7;
pub(super) const HASH_ZIPMAP: u8 = 9;
pub(super) const LIST_ZIPLIST: u8 = 10;
pub(super) const SET_INTSET: u8 = 11;
pub(super) const ZSET_ZIPLIST: u8 = 12;
pub(super) const HASH_ZIPLIST: u8 = 13;
pub(super) const LIST_QUICKLIST: u8 = 14;
pub(super) const STREAM: u8 = 15;
pub(super) const HASH_LISTPACK: u8 = 16;
pub(super) const ZSET_LISTPACK: u8 = 17;
pub(super) const LIST_QUICKLIST_2: u8 = 18;
pub(super) const STREAM_2: u8 = 19;
pub(super) const SET_LISTPACK: u8 = 20;
pub(super) const STREAM_3: u8 = 21;
/// Fields with deadlines: as Valkey 9 writes them, or a candidate of Redis 7.4.
pub(super) const HASH_22: u8 = 22;
pub(super) const HASH_LISTPACK_EX_OLD: u8 = 23;
pub(super) const HASH_METADATA: u8 = 24;
pub(super) const HASH_LISTPACK_EX: u8 = 25;
/// With what producers have added under ids of their own.
pub(super) const STREAM_4: u8 = 26;
/// With what is pending for nobody.
pub(super) const STREAM_5: u8 = 27;

/// What a node of a list is: one long element, or a listpack.
pub(super) const NODE_PLAIN: u64 = 1;
pub(super) const NODE_PACKED: u64 = 2;

/// With a module's data for a key in Redis, and with a slot that is being moved in Valkey.
pub(super) const OP_243: u8 = 243;
pub(super) const OP_SLOT_INFO: u8 = 244;
pub(super) const OP_FUNCTION: u8 = 245;
pub(super) const OP_FUNCTION_OLD: u8 = 246;
pub(super) const OP_MODULE_AUX: u8 = 247;
pub(super) const OP_IDLE: u8 = 248;
pub(super) const OP_FREQ: u8 = 249;
pub(super) const OP_AUX: u8 = 250;
pub(super) const OP_RESIZE_DB: u8 = 251;
pub(super) const OP_EXPIRE_MILLIS: u8 = 252;
pub(super) const OP_EXPIRE: u8 = 253;
pub(super) const OP_SELECT_DB: u8 = 254;
pub(super) const OP_EOF: u8 = 255;

/// The version of the format that has a type first; Valkey's is another for those that it has not from Redis.
pub(super) fn since(kind: u8, is_valkey: bool) -> u16 {
    match kind {
        ..=STREAM => 1,
        HASH_LISTPACK..=STREAM_2 => 10,
        SET_LISTPACK | STREAM_3 => 11,
        HASH_22 if is_valkey => 80,
        _ if is_valkey => u16::MAX,
        HASH_22..=HASH_LISTPACK_EX => 12,
        STREAM_4 => 13,
        STREAM_5 => 14,
        _ => 15,
    }
}

/// What a value of a type that no store can hold is called.
pub(super) fn name(kind: u8, is_valkey: bool) -> String {
    match kind {
        MODULE_OLD => "a value of a module, in the form of a candidate of Redis 4.0".into(),
        23 if is_valkey => "a path hash".into(),
        STREAM_4 | STREAM_5 if is_valkey => "a stream of Redis 8.6 or later".into(),
        28 => "an array".into(),
        29..=32 => "a hash with a template".into(),
        33 => "a rate limit (GCRA)".into(),
        _ => format!("a value of the unknown type {kind}"),
    }
}
