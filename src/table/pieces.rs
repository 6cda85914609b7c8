//! Replies of byte strings, which need not be values on their way to a client.
//!
//! Whoever writes a session's replies into a buffer [lends](Session::execute_to) it that buffer for the command. What a
//! handler [gathers](Call::gather) is then encoded there, for GET and LRANGE from where it stands in the store, as long as
//! that is not much. The rest become values, and so does all where no buffer is lent: for a session of the library, within
//! EXEC or a script.

use std::{iter, mem};

use smallvec::SmallVec;

use super::call::{Answer, Call};
#[cfg(feature = "server")]
use super::checks::Named;
#[cfg(feature = "server")]
use super::session::{Outcome, Session, Silence};
use crate::Bytes;
use crate::command::Gather;
use crate::records::Text;
use crate::reply::{ErrorReply, Reply};
use crate::resp::{self, Dialect};

/// So many bytes of a reply are written at the most before it is known how long the whole is, perhaps under a lock.
const ROOM: usize = if crate::TINY { 40 } else { 16 << 10 };

/// What byte strings make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One, or nothing.
    Single,
    Array,
    Set,
    /// Names, each with its value behind it.
    Map,
}

/// See the [module](self).
pub(super) struct Pieces {
    form: Form,
    dialect: Dialect,
    /// The buffer that was lent.
    out: Option<Vec<u8>>,
    /// Where it ended before, and where it is to end.
    begin: usize,
    end: usize,
    /// So many strings are to come still.
    left: usize,
    /// What is not written there; one alone allocates nothing.
    values: SmallVec<[Reply; 1]>,
}

impl Gather for Pieces {
    fn expect(&mut self, count: usize) {
        self.left = count;
        let Some(out) = &mut self.out else { return };
        match self.form {
            Form::Single => {}
            Form::Array => resp::begin_array(count, out),
            Form::Set => resp::begin_set(count, self.dialect, out),
            Form::Map => resp::begin_map(count / 2, self.dialect, out),
        }
    }

    #[inline]
    fn take(&mut self, text: Text<'_>) {
        if !self.write(&text) {
            self.push(Reply::Bulk(text.into()));
        }
    }

    fn nothing(&mut self) {
        match &mut self.out {
            Some(out) if out.len() <= self.end => {
                resp::encode(&Reply::Nil, self.dialect, out);
                self.left = self.left.saturating_sub(1);
            }
            _ => self.push(Reply::Nil),
        }
    }
}

impl Pieces {
    /// [`take`](Gather::take) of one that nobody else wants.
    pub(super) fn give(&mut self, string: Bytes) {
        if !self.write(&string) {
            self.push(Reply::Bulk(string));
        }
    }

    /// Writes a string, if there is a buffer and it takes no more than it may.
    #[inline]
    fn write(&mut self, string: &[u8]) -> bool {
        match &mut self.out {
            Some(out) if out.len().saturating_add(string.len()) <= self.end => {
                resp::encode_bulk(string, out);
                self.left = self.left.saturating_sub(1);
                true
            }
            _ => false,
        }
    }

    fn push(&mut self, value: Reply) {
        // All that follow are behind it.
        self.end = 0;
        self.values.reserve_exact(mem::take(&mut self.left));
        self.values.push(value);
    }

    /// What is left to be said; the buffer stays.
    #[inline]
    fn finish(&mut self, is_error: bool) -> Reply {
        match &mut self.out {
            Some(out) if is_error => out.truncate(self.begin),
            Some(_) if self.values.is_empty() => {}
            Some(_) => return Reply::Several(mem::take(&mut self.values).into_vec()),
            None => return self.whole(),
        }
        Reply::Several(Vec::new())
    }

    /// The reply of which nothing is written.
    fn whole(&mut self) -> Reply {
        let values = mem::take(&mut self.values);
        match self.form {
            Form::Array => Reply::Array(values.into_vec()),
            form => form.reply(values.len(), values.into_iter()),
        }
    }
}

impl Form {
    /// Of so many values.
    fn reply(self, count: usize, mut values: impl Iterator<Item = Reply>) -> Reply {
        match self {
            Form::Single => values.next().unwrap_or(Reply::Nil),
            Form::Array => Reply::Array(collected(count, values)),
            Form::Set => Reply::Set(collected(count, values)),
            Form::Map => Reply::Map(collected(count / 2, iter::from_fn(|| values.next().zip(values.next())))),
        }
    }
}

fn collected<T>(count: usize, values: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::with_capacity(count);
    all.extend(values);
    all
}

impl Call<'_> {
    /// Whether what is [gathered](Self::gather) can be written at once.
    #[inline]
    pub(super) fn is_lent_a_buffer(&self) -> bool {
        self.session.lent.is_some()
    }

    /// The reply of what an operation gathers.
    pub(super) fn gather(
        &mut self,
        form: Form,
        fill: impl FnOnce(&mut Self, &mut Pieces) -> Result<(), ErrorReply>,
    ) -> Answer {
        let out = self.session.lent.take();
        let begin = out.as_ref().map_or(0, Vec::len);
        let end = begin.saturating_add(ROOM);
        let dialect = self.session.dialect();
        let mut pieces = Pieces { form, dialect, out, begin, end, left: 0, values: SmallVec::new() };
        let filled = fill(self, &mut pieces);
        let reply = pieces.finish(filled.is_err());
        self.session.lent = pieces.out;
        filled.map(|()| reply)
    }

    /// The reply of so many strings, of which there may be nothing in some places.
    pub(super) fn strings(
        &mut self,
        form: Form,
        count: usize,
        strings: impl IntoIterator<Item = Option<Bytes>>,
    ) -> Answer {
        if !self.is_lent_a_buffer() {
            return Ok(form.reply(count, strings.into_iter().map(Reply::bulk_or_nil)));
        }
        self.gather(form, |_, pieces| {
            pieces.expect(count);
            for string in strings {
                match string {
                    Some(string) => pieces.give(string),
                    None => pieces.nothing(),
                }
            }
            Ok(())
        })
    }
}

#[cfg(feature = "server")]
impl Session {
    /// Runs a command as [`execute_found`](Self::execute_found) does, and writes what it can of the reply behind what is in a buffer:
    /// the outcome is what comes behind that.
    pub(crate) fn execute_to(&mut self, found: Named, words: &[Bytes], out: &mut Vec<u8>) -> Outcome {
        if !self.may_lend() {
            return self.execute_found(found, words);
        }
        self.lent = Some(mem::take(out));
        let outcome = self.execute_found(found, words);
        *out = self.lent.take().unwrap_or_default();
        outcome
    }

    /// Whether its client gets all of the next reply, and nobody else has to see it before.
    fn may_lend(&self) -> bool {
        #[cfg(feature = "testing")]
        if self.is_watched() {
            return false;
        }
        self.silence == Silence::No
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Store, resp::Protocol};

    /// What lends a buffer, and what lends none: the same bytes.
    struct Both {
        lends: Session,
        out: Vec<u8>,
        not: Session,
        replies: Vec<u8>,
    }

    impl Both {
        fn new(protocol: Protocol) -> Both {
            let session = || {
                let mut session = Store::builder().seed(1).build().session().served();
                session.protocol = protocol;
                session
            };
            Both { lends: session(), out: b"before".to_vec(), not: session(), replies: b"before".to_vec() }
        }

        fn ask(&mut self, words: &[String]) {
            let words: Vec<Bytes> = words.iter().map(|word| Bytes::from(word.as_str())).collect();
            let found = self.lends.look_up_next(&words);
            let outcome = self.lends.execute_to(found, &words, &mut self.out);
            let Outcome::Reply(reply) = outcome else { panic!("waits") };
            if self.lends.sends_reply() {
                self.lends.encode_to(&reply, &mut self.out);
            }
            assert!(self.lends.lent.is_none());
            let Outcome::Reply(reply) = self.not.execute(&words) else { panic!("waits") };
            if self.not.sends_reply() {
                self.not.encode_to(&reply, &mut self.replies);
            }
            assert_eq!(
                self.out.escape_ascii().to_string(),
                self.replies.escape_ascii().to_string(),
                "{words:?}"
            );
        }
    }

    /// Keys and elements of some lengths, on both sides of what is written at once.
    fn word() -> impl Strategy<Value = String> {
        prop_oneof![4 => 0..6_usize, 1 => Just(ROOM), 1 => 200..300_usize].prop_map(|len| "x".repeat(len))
    }

    fn command() -> impl Strategy<Value = Vec<String>> {
        let of = |names: &'static [&'static str], words: std::ops::Range<usize>| {
            (prop::sample::select(names), prop::collection::vec(word(), words)).prop_map(|(name, words)| {
                name.split(' ').map(str::to_owned).chain(words).collect::<Vec<String>>()
            })
        };
        prop_oneof![
            4 => of(&["RPUSH l", "SADD s", "SET", "RPUSH", "LPUSH l"], 2..6),
            4 => of(&["HSET h", "HSET"], 2..7),
            6 => of(&["LRANGE l 0 -1", "SMEMBERS s", "HGETALL h", "HKEYS h", "HVALS h", "GET s", "LRANGE s 0 1"], 0..1),
            6 => of(&["GET", "HGET h", "MGET", "MGET l", "HMGET h", "HGET l", "SUNION s", "HGETDEL h FIELDS 1"], 1..4),
            2 => of(&["MULTI", "EXEC", "CLIENT REPLY SKIP", "CLIENT REPLY OFF", "CLIENT REPLY ON", "DISCARD"], 0..1),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_at_once_is_what_would_be_written_later(
            is_resp3: bool,
            commands in prop::collection::vec(command(), 0..40),
        ) {
            let mut both = Both::new(if is_resp3 { Protocol::Resp3 } else { Protocol::Resp2 });
            commands.iter().for_each(|words| both.ask(words));
        }
    }

    #[test]
    fn a_short_reply_leaves_nothing_to_be_said() {
        let mut session = Store::new().session().served();
        session.call(["RPUSH", "l", "a", "b"]);
        let (words, mut out) = (["LRANGE", "l", "0", "-1"].map(Bytes::from), Vec::new());
        let found = session.look_up_next(&words);
        let Outcome::Reply(rest) = session.execute_to(found, &words, &mut out) else { panic!("waits") };
        assert_eq!(
            (out.as_slice(), rest),
            (&b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"[..], Reply::Several(Vec::new()))
        );
    }

    #[test]
    fn an_error_takes_back_what_was_written() {
        let mut session = Store::new().session().served();
        session.lent = Some(b"before".to_vec());
        let args = crate::table::args::Args::new(&[]);
        let mut call = Call { args, session: &mut session, name: "get", said: b"get" };
        let answer = call.gather(Form::Single, |_, pieces| {
            pieces.take(Text::Slice(b"x"));
            Err(ErrorReply::SYNTAX)
        });
        assert_eq!((answer, session.lent.as_deref()), (Err(ErrorReply::SYNTAX), Some(&b"before"[..])));
    }
}
