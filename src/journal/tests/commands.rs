//! Random commands that do something, more often than not.

use crate::rng::Rng;
use crate::{Bytes, Reply, Session};

/// Commands with places for a key of a type (`<l>` for a list; `<*>` for any), elements (`<e>`, `<e*>` for several), and more.
#[rustfmt::skip]
const TEMPLATES: &[&str] = &[
    "SET <t> <e>", "SET <t> <e> PX <ms>", "SET <t> <e> KEEPTTL", "APPEND <t> <e>", "SETRANGE <t> <n> <e>", "SETBIT <t> <n> 1", "GETDEL <t>",
    "BITFIELD <t> SET u8 #3 200 INCRBY i16 9 1", "MSET <t> <e> <t> <e>", "GETEX <t> PX <ms>", "GETEX <t> PERSIST", "SETNX <t> <e>",
    "INCR n", "INCRBYFLOAT n 1", "DECRBY n 3", "BITOP OR <t> <t> <t>", "PFADD hll <e*>", "PFCOUNT hll", "PFMERGE hll2 hll",
    "RPUSH <l> <e*>", "LPUSH <l> <e*>", "RPUSH <l> <e>", "LPUSH <l> <e>", "LPOP <l>", "RPOP <l> <n>", "LSET <l> <i> <e>", "LTRIM <l> <i> <i>", "LPUSHX <l> <e>",
    "LINSERT <l> BEFORE <e> <e>", "LREM <l> <i> <e>", "LMOVE <l> <l> LEFT RIGHT", "LMOVE <l> <l> RIGHT LEFT", "LMPOP 2 <l> <l> RIGHT COUNT <c>",
    "SADD <s> <e*>", "SADD <s> <e>", "SADD <s> <n>", "SREM <s> <e*>", "SPOP <s>", "SPOP <s> <n>", "SMOVE <s> <s> <e>", "SINTERSTORE <s> <s> <s>", "SUNIONSTORE <s> <s> <s>",
    "HSET <h> <p*>", "HSET <h> <e> <e>", "HDEL <h> <e*>", "HINCRBY <h> n 2", "HINCRBYFLOAT <h> n 1.5", "HSETNX <h> <e> <e>", "HPEXPIRE <h> <ms> FIELDS 2 <e> <e>",
    "HPERSIST <h> FIELDS 1 <e>", "HGETDEL <h> FIELDS 1 <e>", "HSETEX <h> PX <ms> FIELDS 1 <e> <e>", "HGETEX <h> PX <ms> FIELDS 1 <e>",
    "ZADD <z> <z*>", "ZADD <z> <i> <e>", "ZADD <z> GT <i> <e>", "ZINCRBY <z> <i> <e>", "ZREM <z> <e*>", "ZPOPMIN <z> <c>", "ZPOPMAX <z>", "ZREMRANGEBYRANK <z> <i> <i>",
    "ZREMRANGEBYSCORE <z> <i> <i>", "ZUNIONSTORE <z> 2 <z> <z>", "ZRANGESTORE <z> <z> 0 <n>", "GEOADD <z> 13.361389 38.115556 <e>", "ZMPOP 1 <z> MIN COUNT <c>",
    "XADD <x> * <p*>", "XADD <x> * <e> <e>", "XADD <x> MAXLEN ~ 50 * <e> <e>", "XADD <x> MAXLEN <n> * <e> <e>", "XTRIM <x> MAXLEN <n>", "XDEL <x> <id> <id>", "XSETID <x> 99999999999999-0",
    "XGROUP CREATE <x> <g> 0 MKSTREAM", "XGROUP CREATE <x> <g> $", "XGROUP SETID <x> <g> 0", "XGROUP DESTROY <x> <g>", "XGROUP CREATECONSUMER <x> <g> <w>",
    "XGROUP DELCONSUMER <x> <g> <w>", "XREADGROUP GROUP <g> <w> COUNT <c> STREAMS <x> >", "XREADGROUP GROUP <g> <w> NOACK STREAMS <x> >",
    "XREADGROUP GROUP <g> <w> STREAMS <x> 0", "XACK <x> <g> <id> <id>", "XAUTOCLAIM <x> <g> <w> 0 0 COUNT <c>", "XCLAIM <x> <g> <w> 0 <id> FORCE",
    "XACKDEL <x> <g> KEEPREF IDS 1 <id>", "XACKDEL <x> <g> DELREF IDS 1 <id>", "XDELEX <x> KEEPREF IDS 1 <id>", "XDELEX <x> DELREF IDS 1 <id>", "XNACK <x> <g> FAIL IDS 1 <id>",
    "XADD <x> IDMP <w> <e> * <e> <e>", "XTRIM <x> MAXLEN <n> DELREF",
    "DEL <*>", "UNLINK <*> <*>", "PEXPIRE <*> <ms>", "PEXPIRE <*> -1", "PERSIST <*>", "RENAME <*> <*>", "RENAMENX <*> <*>", "COPY <*> <*> REPLACE", "MOVE <*> 1",
    "SORT <l> ALPHA STORE <l>", "SELECT <db>", "FLUSHDB", "SWAPDB 0 1", "COPY <*> <*> DB 1 REPLACE", "RESTORE <t> 0 bad",
];
/// Of so many of these, one is carried out: they leave little behind.
const RARE: [&str; 3] = ["FLUSHDB", "SWAPDB 0 1", "SELECT <db>"];

/// See the [module](self). Transactions begin and end now and then.
pub(super) struct Commands {
    rng: Rng,
    said: Vec<String>,
    /// Ids of entries that were added.
    ids: Vec<Bytes>,
}

impl Commands {
    pub(super) fn new(seed: u64) -> Self {
        Commands { rng: Rng::new(seed), said: Vec::new(), ids: vec![Bytes::from("1-1")] }
    }

    pub(super) fn below(&self, most: u64) -> u64 {
        self.rng.below(most as usize) as u64
    }

    pub(super) fn one_in(&self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// What was called so far.
    pub(super) fn said(&self) -> String {
        self.said.join("\n")
    }

    /// Calls a command, or several as one transaction.
    pub(super) fn run_one(&mut self, session: &mut Session) {
        if !self.one_in(12) {
            return self.call(session);
        }
        session.call(["MULTI"]);
        for _ in 0..self.below(6) {
            self.call(session);
        }
        self.said.push("the last ones as a transaction".into());
        session.call(["EXEC"]);
    }

    fn call(&mut self, session: &mut Session) {
        let template = TEMPLATES[self.rng.below(TEMPLATES.len())];
        if RARE.contains(&template) && !self.one_in(4) {
            return;
        }
        let mut words: Vec<Bytes> = Vec::new();
        for word in template.split(' ') {
            match word {
                "<e*>" => (0..self.several()).for_each(|_| words.push(self.element())),
                "<p*>" => (0..2 * self.several()).for_each(|_| words.push(self.element())),
                "<z*>" => (0..self.several()).for_each(|_| words.extend([self.number(20), self.element()])),
                "<e>" => words.push(self.element()),
                "<i>" => words.push(Bytes::from((self.below(30) as i64 - 8).to_string())),
                "<n>" => words.push(self.number(120)),
                "<c>" => words.push(Bytes::from((1 + self.below(5)).to_string())),
                "<ms>" => words.push(Bytes::from((1 + self.below(4_000)).to_string())),
                "<id>" => words.push(self.ids[self.rng.below(self.ids.len())].clone()),
                "<g>" => words.push(Bytes::from(["g", "h"][self.rng.below(2)])),
                "<w>" => words.push(Bytes::from(["ann", "bob"][self.rng.below(2)])),
                "<db>" => words.push(self.number(2)),
                "<*>" => {
                    let kind = ["t", "l", "s", "h", "z", "x"][self.rng.below(6)];
                    words.push(self.key(kind));
                }
                "<t>" | "<l>" | "<s>" | "<h>" | "<z>" | "<x>" => words.push(self.key(&word[1..2])),
                plain => words.push(Bytes::from(plain)),
            }
        }
        let text: Vec<String> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        self.said.push(text.join(" ").chars().take(200).collect());
        let is_add = template.starts_with("XADD");
        let reply = session.call(words);
        if let (true, Reply::Bulk(id)) = (is_add, &reply) {
            self.ids.push(id.clone());
            if self.ids.len() > 40 {
                self.ids.remove(0);
            }
        }
    }

    fn several(&self) -> usize {
        [1, 2, 3, 5, 20, 150][self.rng.below(6)]
    }

    fn key(&self, kind: &str) -> Bytes {
        Bytes::from(format!("{kind}{}", self.below(2)))
    }

    fn number(&self, most: u64) -> Bytes {
        Bytes::from(self.below(most).to_string())
    }

    fn element(&self) -> Bytes {
        match self.below(12) {
            0 => Bytes::from("x".repeat(100 + self.below(200) as usize)),
            1 => Bytes::from(&b"\0\r\n\xff"[..]),
            2..=5 => Bytes::from((self.below(400) as i64 * 1_000_003 - 7).to_string()),
            _ => self.number(200),
        }
    }
}
