//! What happened to a key, as told to subscribers of key events.

/// Something that happened to a key. The names are those of Redis's keyspace notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // Each variant is the event that its name in `as_str` says.
pub enum KeyEvent {
    Set,
    Append,
    SetRange,
    SetBit,
    IncrBy,
    IncrByFloat,
    Del,
    Expire,
    Persist,
    Expired,
    Evicted,
    RenameFrom,
    RenameTo,
    MoveFrom,
    MoveTo,
    CopyTo,
    Restore,
    LPush,
    RPush,
    LPop,
    RPop,
    LInsert,
    LSet,
    LRem,
    LTrim,
    SAdd,
    SRem,
    SPop,
    SInterStore,
    SUnionStore,
    SDiffStore,
    SortStore,
    HSet,
    HDel,
    HIncrBy,
    HIncrByFloat,
    HExpire,
    HExpired,
    HPersist,
    ZAdd,
    ZIncr,
    ZRem,
    ZRemRangeByRank,
    ZRemRangeByScore,
    ZRemRangeByLex,
    ZPopMin,
    ZPopMax,
    ZRangeStore,
    ZInterStore,
    ZUnionStore,
    ZDiffStore,
    GeoRadiusStore,
    GeoSearchStore,
    PfAdd,
    /// A HyperLogLog keeps what it was counted to: who watches it is told, and no subscriber.
    PfCount,
    XAdd,
    XDel,
    XTrim,
    XSetId,
    XGroupCreate,
    XGroupCreateConsumer,
    XGroupSetId,
    XGroupDelConsumer,
    XGroupDestroy,
    /// What a stream knows of those who read it and of those who write to it has changed: Redis tells nobody.
    XPending,
    /// The key got a deadline that had passed already, and is gone: to Redis it was deleted, to Valkey it has expired.
    Overdue,
    /// The same of fields of a hash.
    HOverdue,
    /// The last fields of a hash have expired, and with them the key.
    Emptied,
    /// The key is a new one.
    New,
    /// A value took the place of another one.
    Overwritten,
    /// That had another type.
    TypeChanged,
    /// A command that reads has found no such key.
    KeyMiss,
}

impl KeyEvent {
    /// The event's name, as it stands in channel names and payloads. O(1)
    ///
    /// ```
    /// use larder::KeyEvent;
    ///
    /// assert_eq!(KeyEvent::ZRemRangeByRank.as_str(), "zremrangebyrank");
    /// assert_eq!(KeyEvent::RenameFrom.as_str(), "rename_from");
    /// ```
    pub const fn as_str(self) -> &'static str {
        use KeyEvent::*;
        match self {
            Set => "set",
            Append => "append",
            SetRange => "setrange",
            SetBit => "setbit",
            IncrBy => "incrby",
            IncrByFloat => "incrbyfloat",
            Del => "del",
            Expire => "expire",
            Persist => "persist",
            Expired => "expired",
            Evicted => "evicted",
            RenameFrom => "rename_from",
            RenameTo => "rename_to",
            MoveFrom => "move_from",
            MoveTo => "move_to",
            CopyTo => "copy_to",
            Restore => "restore",
            LPush => "lpush",
            RPush => "rpush",
            LPop => "lpop",
            RPop => "rpop",
            LInsert => "linsert",
            LSet => "lset",
            LRem => "lrem",
            LTrim => "ltrim",
            SAdd => "sadd",
            SRem => "srem",
            SPop => "spop",
            SInterStore => "sinterstore",
            SUnionStore => "sunionstore",
            SDiffStore => "sdiffstore",
            SortStore => "sortstore",
            HSet => "hset",
            HDel => "hdel",
            HIncrBy => "hincrby",
            HIncrByFloat => "hincrbyfloat",
            HExpire => "hexpire",
            HExpired => "hexpired",
            HPersist => "hpersist",
            ZAdd => "zadd",
            ZIncr => "zincr",
            ZRem => "zrem",
            ZRemRangeByRank => "zremrangebyrank",
            ZRemRangeByScore => "zremrangebyscore",
            ZRemRangeByLex => "zremrangebylex",
            ZPopMin => "zpopmin",
            ZPopMax => "zpopmax",
            ZRangeStore => "zrangestore",
            ZInterStore => "zinterstore",
            ZUnionStore => "zunionstore",
            ZDiffStore => "zdiffstore",
            GeoRadiusStore => "georadiusstore",
            GeoSearchStore => "geosearchstore",
            PfAdd => "pfadd",
            PfCount => "pfcount",
            XAdd => "xadd",
            XDel => "xdel",
            XTrim => "xtrim",
            XSetId => "xsetid",
            XGroupCreate => "xgroup-create",
            XGroupCreateConsumer => "xgroup-createconsumer",
            XGroupSetId => "xgroup-setid",
            XGroupDelConsumer => "xgroup-delconsumer",
            XGroupDestroy => "xgroup-destroy",
            XPending => "xpending",
            Overdue | Emptied => "del",
            HOverdue => "hdel",
            New => "new",
            Overwritten => "overwritten",
            TypeChanged => "type_changed",
            KeyMiss => "keymiss",
        }
    }

    /// Whether this is the store forgetting a value by itself. Such a loss stops no load that is
    /// under way (a refresh that outlives the old value must be kept); every other change does.
    pub(crate) const fn is_loss(self) -> bool {
        matches!(self, KeyEvent::Expired | KeyEvent::Evicted | KeyEvent::HExpired | KeyEvent::Emptied)
    }

    /// Whether nobody is told: neither those who watch the key, nor those who wait for it, nor subscribers.
    pub(crate) const fn is_silent(self) -> bool {
        matches!(self, KeyEvent::XPending)
    }

    /// Whether it is a remark on another event of the same change: subscribers alone are told.
    pub(crate) const fn is_remark(self) -> bool {
        matches!(self, KeyEvent::New | KeyEvent::Overwritten | KeyEvent::TypeChanged)
    }

    /// Whether it says that a value has come from another key. That its key is new is told before that one goes.
    pub(crate) const fn is_arrival(self) -> bool {
        matches!(self, KeyEvent::RenameTo | KeyEvent::MoveTo)
    }

    /// Whether it says that a value took the place of what was there, and if so, whether it is told of before that
    /// is remarked on.
    pub(crate) const fn replaces(self) -> Option<bool> {
        use KeyEvent::*;
        match self {
            RenameTo | CopyTo | Restore => Some(true),
            Set | SortStore | SInterStore | SUnionStore | SDiffStore | ZRangeStore | ZInterStore
            | ZUnionStore | ZDiffStore | GeoRadiusStore | GeoSearchStore => Some(false),
            _ => None,
        }
    }
}
