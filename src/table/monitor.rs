//! MONITOR: sessions that are shown the commands of all.

use super::call::{Answer, Call};
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, row};
use super::secrets::{REDACTED, secrets};
use super::session::Session;
use crate::Bytes;
use crate::pubsub::{Message, Origin};
use crate::reply::{ErrorReply, Reply};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, RwLock};
use crate::tracking::Ear;
use crate::wake::Wakes;

pub(super) const ROWS: &[Row] = &[row("monitor", 1, ADMIN | NOSCRIPT | LOADING | STALE, Keys::NONE, monitor)];

/// Those who watch.
#[derive(Default)]
pub(crate) struct Monitors {
    /// How many there are: all that is looked at with each command.
    count: AtomicUsize,
    ears: RwLock<Vec<Arc<Ear>>>,
}

impl Monitors {
    fn add(&self, ear: &Arc<Ear>) {
        let mut ears = self.ears.write();
        ears.push(Arc::clone(ear));
        self.count.store(ears.len(), Ordering::Relaxed);
    }

    pub(super) fn remove(&self, ear: &Arc<Ear>) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let mut ears = self.ears.write();
            ears.retain(|other| !Arc::ptr_eq(other, ear));
            self.count.store(ears.len(), Ordering::Relaxed);
        }
    }
}

impl Session {
    /// Shows a command that was carried out to those who monitor. One load where there is nobody.
    #[inline]
    pub(super) fn show(&self, row: &Row, words: &[Bytes]) {
        if self.shared().monitors.count.load(Ordering::Relaxed) > 0 {
            self.show_to_all(row, words);
        }
    }

    #[cold]
    fn show_to_all(&self, row: &Row, words: &[Bytes]) {
        if row.has(ADMIN) {
            return;
        }
        let monitors = &self.shared().monitors;
        let micros = self.db().space().clock().wall_micros();
        let line = Bytes::from(line(micros, self.db().index(), &self.origin(), words, self.compat));
        let mut wakes = Wakes::default();
        for ear in &*monitors.ears.read() {
            ear.mail.post(Message::unasked(Origin::Monitor, line.clone()), &mut wakes);
        }
        self.wake_all(wakes);
    }

    /// Whom its commands come from: `lua` for what a script calls.
    fn origin(&self) -> String {
        #[cfg(feature = "lua")]
        if self.scripting.is_part {
            return "lua".into();
        }
        let facts = self.client.facts();
        facts.unix_socket().map_or_else(|| facts.peer.clone(), |path| format!("unix:{path}"))
    }
}

fn monitor(call: &mut Call<'_>) -> Answer {
    let session = &mut *call.session;
    if session.db().in_transaction() {
        return Err(ErrorReply::known("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if session.monitors {
        return Ok(Reply::Several(Vec::new()));
    }
    session.monitors = true;
    session.shared().monitors.add(&session.client.ear);
    Ok(Reply::OK)
}

/// How a command is shown. Passwords are not.
fn line(micros: u64, db: u16, from: &str, words: &[Bytes], compat: Compat) -> String {
    let mut line = format!("{}.{:06} [{db} {from}]", micros / 1_000_000, micros % 1_000_000);
    let secret = secrets(words, compat);
    for (at, word) in words.iter().enumerate() {
        line.push_str(" \"");
        if secret.contains(&at) {
            line.push_str(REDACTED);
        } else {
            word.iter().for_each(|byte| push_shown(*byte, &mut line));
        }
        line.push('"');
    }
    line
}

fn push_shown(byte: u8, line: &mut String) {
    match byte {
        b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
        b'\n' => line.push_str("\\n"),
        b'\r' => line.push_str("\\r"),
        b'\t' => line.push_str("\\t"),
        0x07 => line.push_str("\\a"),
        0x08 => line.push_str("\\b"),
        b' '..=b'~' => line.push(char::from(byte)),
        _ => line.push_str(&format!("\\x{byte:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_redis_writes_it() {
        let words = |words: &[&[u8]]| words.iter().map(|word| Bytes::from(*word)).collect::<Vec<_>>();
        let line = |micros, db, from, words: &[Bytes]| line(micros, db, from, words, Compat::default());
        let shown =
            line(1_339_518_083_107_412, 0, "127.0.0.1:60866", &words(&[b"keys", b"*\n\"\xff\x07\t\\"]));
        assert_eq!(shown, r#"1339518083.107412 [0 127.0.0.1:60866] "keys" "*\n\"\xff\a\t\\""#);
        let shown =
            line(5, 3, "lua", &words(&[b"hello", b"3", b"auth", b"ann", b"secret", b"setname", b"x"]));
        assert_eq!(shown, r#"0.000005 [3 lua] "hello" "3" "auth" "(redacted)" "(redacted)" "setname" "x""#);
        assert_eq!(line(0, 0, "?:0", &words(&[b"Auth", b"x"])), r#"0.000000 [0 ?:0] "Auth" "(redacted)""#);
    }
}
