//! Which clients CLIENT KILL and CLIENT LIST are for.

use super::acl::Account;
use super::args::is;
use super::call::Call;
use super::checks::shown_of;
use super::clients::{Client, Facts};
use super::row::Compat;
use crate::Bytes;
use crate::reply::ErrorReply;
use crate::sync::Arc;
use crate::text::number;

/// The letters that stand for what a client is, and those for what it can do.
const FLAGS: &[u8] = b"ABEIMNOPRSTUbcdeirtux";
const CAPABILITIES: &[u8] = b"r";

/// # Errors
/// Redis's for what is no type of client.
fn check_type(name: &[u8], compat: Compat) -> Result<(), ErrorReply> {
    let is_one = ["NORMAL", "MASTER", "REPLICA", "SLAVE", "PUBSUB"].iter().any(|known| is(name, known));
    if is_one || compat == Compat::Valkey9 && is(name, "PRIMARY") {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name);
    Err(ErrorReply::new(format!("ERR Unknown client type '{name}'")))
}

/// What a client is to be, in all of which it is told.
#[derive(Default)]
pub(super) struct Filter<'c> {
    wanted: Traits<'c>,
    unwanted: Traits<'c>,
    /// Milliseconds since it came, and since its last command, at least.
    age: Option<u64>,
    idle: Option<u64>,
    skips_me: bool,
}

/// What a client may be.
#[derive(Default)]
struct Traits<'c> {
    /// One of these, if there are any.
    ids: Vec<i64>,
    kind: Option<&'c Bytes>,
    peer: Option<&'c Bytes>,
    local: Option<&'c Bytes>,
    /// The peer without its port.
    ip: Option<&'c Bytes>,
    user: Option<Arc<Account>>,
    name: Option<&'c Bytes>,
    lib_name: Option<&'c Bytes>,
    lib_ver: Option<&'c Bytes>,
    db: Option<u16>,
    /// All of these letters.
    flags: Option<&'c [u8]>,
    capabilities: Option<&'c [u8]>,
}

impl<'c> Filter<'c> {
    /// The clients at an address.
    pub(super) fn of_peer(peer: &'c Bytes) -> Self {
        let wanted = Traits { peer: Some(peer), ..Traits::default() };
        Filter { wanted, ..Filter::default() }
    }

    /// Options in any order; of several of one kind the last counts.
    pub(super) fn read(call: &mut Call<'c>, skips_me: bool) -> Result<Self, ErrorReply> {
        let mut filter = Filter { skips_me, ..Filter::default() };
        while let Some(option) = call.args.take() {
            let value = call.args.next()?;
            filter.take(call, option, value)?;
        }
        Ok(filter)
    }

    fn take(&mut self, call: &mut Call<'c>, option: &'c [u8], value: &'c Bytes) -> Result<(), ErrorReply> {
        let is_valkey = call.compat() == Compat::Valkey9;
        match option {
            option if is(option, "SKIPME") && is(value, "YES") => self.skips_me = true,
            option if is(option, "SKIPME") && is(value, "NO") => self.skips_me = false,
            option if is(option, "MAXAGE") && call.compat().has_since(7, 4) => {
                self.age = Some(seconds(value, "maxage")?);
            }
            option if is(option, "IDLE") && is_valkey => self.idle = Some(seconds(value, "idle")?),
            option => match option.split_at_checked(4) {
                Some((not, option)) if is_valkey && is(not, "NOT-") => {
                    self.unwanted.take(call, option, value, "NOT-")?;
                }
                _ => self.wanted.take(call, option, value, "")?,
            },
        }
        Ok(())
    }

    /// Tells of a client whether it is meant.
    pub(super) fn meant<'f>(&'f self, call: &Call<'_>) -> impl Fn(&Client) -> bool + use<'f, 'c> {
        let (now, me) = (call.space().clock().now(), call.session.client.id);
        // What others read of this session is as old as its last command.
        let mine = call.session.facts(call.name);
        move |client| match client.id == me {
            true => !self.skips_me && self.lets(client, &mine, now),
            false => self.lets(client, &client.facts(), now),
        }
    }

    fn lets(&self, client: &Client, facts: &Facts, now: u64) -> bool {
        self.age.is_none_or(|age| now.saturating_sub(client.since()) >= age)
            && self.idle.is_none_or(|idle| now.saturating_sub(facts.at) >= idle)
            && self.wanted.found(client, facts).all(|is_so| is_so)
            && !self.unwanted.found(client, facts).any(|is_so| is_so)
    }
}

impl<'c> Traits<'c> {
    /// Takes an option, which stood behind that prefix.
    fn take(
        &mut self,
        call: &mut Call<'c>,
        option: &[u8],
        value: &'c Bytes,
        prefix: &str,
    ) -> Result<(), ErrorReply> {
        let is_valkey = call.compat() == Compat::Valkey9;
        match option {
            option if is(option, "ID") && is_valkey => self.ids.extend(ids(call, value)?),
            option if is(option, "ID") => self.ids = vec![checked_id(number::parse_i64(value))?],
            option if is(option, "TYPE") => {
                check_type(value, call.compat())?;
                self.kind = Some(value);
            }
            option if is(option, "ADDR") => self.peer = Some(value),
            option if is(option, "LADDR") => self.local = Some(value),
            option if is(option, "USER") => {
                let unknown = || ErrorReply::of_bytes([b"ERR No such user '", &value[..], b"'"].concat());
                self.user = Some(call.shared().users.find(value).ok_or_else(unknown)?);
            }
            _ if !is_valkey => return Err(ErrorReply::SYNTAX),
            option if is(option, "IP") => self.ip = Some(value),
            option if is(option, "NAME") => self.name = Some(value),
            option if is(option, "LIB-NAME") => self.lib_name = Some(value),
            option if is(option, "LIB-VER") => self.lib_ver = Some(value),
            option if is(option, "DB") => {
                self.db = Some(database(value, prefix, call.space().limits().databases)?);
            }
            option if is(option, "FLAGS") => self.flags = Some(letters(value, FLAGS, "FLAGS", prefix)?),
            option if is(option, "CAPA") => {
                self.capabilities = Some(letters(value, CAPABILITIES, "CAPA", prefix)?);
            }
            _ => return Err(ErrorReply::SYNTAX),
        }
        Ok(())
    }

    /// Of all that is asked for, whether a client is so.
    fn found(&self, client: &Client, facts: &Facts) -> impl Iterator<Item = bool> + use<> {
        // Who has no name is not found by that.
        let same = |asked: Option<&Bytes>, has: &[u8]| asked.map(|asked| !has.is_empty() && **asked == *has);
        let is_one = |id: &i64| u64::try_from(*id) == Ok(client.id);
        [
            (!self.ids.is_empty()).then(|| self.ids.iter().any(is_one)),
            self.kind.map(|kind| is(kind, facts.kind())),
            same(self.peer, facts.peer.as_bytes()),
            same(self.local, facts.local.as_bytes()),
            same(self.ip, ip(&facts.peer).as_bytes()),
            self.user.as_ref().map(|user| Arc::ptr_eq(user, &facts.user)),
            same(self.name, &facts.name),
            same(self.lib_name, &facts.lib_name),
            same(self.lib_ver, &facts.lib_ver),
            self.db.map(|db| db == facts.db),
            self.flags.map(|flags| has_flags(flags, &client.flags(facts))),
            self.capabilities.map(|asked| asked.is_empty() || facts.takes_redirects),
        ]
        .into_iter()
        .flatten()
    }
}

/// An address without its port, and without the brackets of IPv6.
fn ip(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Whether a client with these flags has all that are asked for; who monitors is a replica too.
fn has_flags(asked: &[u8], flags: &str) -> bool {
    let has = |flag: u8| flags.as_bytes().contains(&flag);
    asked.iter().all(|flag| has(*flag) || *flag == b'S' && has(b'O'))
}

/// Seconds, above 0, in milliseconds.
fn seconds(text: &[u8], name: &str) -> Result<u64, ErrorReply> {
    let error = |why: &str| ErrorReply::new(format!("ERR {name} {why}"));
    let seconds = number::parse_i64(text).ok_or_else(|| error("is not an integer or out of range"))?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    Ok(seconds.ok_or_else(|| error("should be greater than 0"))?.saturating_mul(1000))
}

/// The number of a database that there is.
fn database(text: &[u8], prefix: &str, databases: u16) -> Result<u16, ErrorReply> {
    let error = |why: &str| ErrorReply::new(format!("ERR {prefix}DB {why}"));
    let number = number::parse_i64(text).and_then(|number| i32::try_from(number).ok());
    let number = number.ok_or_else(|| error("is not an integer or out of range"))?;
    let number = u16::try_from(number).ok().filter(|number| *number < databases);
    number.ok_or_else(|| error(&format!("number should be between 0 and {}", databases.saturating_sub(1))))
}

/// Letters that are all known.
fn letters<'c>(value: &'c [u8], known: &[u8], option: &str, prefix: &str) -> Result<&'c [u8], ErrorReply> {
    let value = shown_of(value, usize::MAX);
    if value.iter().all(|letter| known.contains(letter)) {
        return Ok(value);
    }
    let place = if prefix.is_empty() { "provided".to_owned() } else { format!("{prefix}{option}") };
    let start = format!("ERR Unknown {} found in the {place} filter: ", option.to_ascii_lowercase());
    Err(ErrorReply::of_bytes([start.as_bytes(), value].concat()))
}

fn checked_id(id: Option<i64>) -> Result<i64, ErrorReply> {
    id.filter(|id| *id > 0).ok_or(ErrorReply::known("ERR client-id should be greater than 0"))
}

/// What ID is followed by in Valkey: ids, up to what is no number and so the next option.
fn ids(call: &mut Call<'_>, first: &Bytes) -> Result<Vec<i64>, ErrorReply> {
    let mut ids = vec![checked_id(Some(number::parse_i64(first).ok_or(ErrorReply::SYNTAX)?))?];
    while let Some(id) = call.args.peek().and_then(|word| number::parse_i64(word)) {
        ids.push(checked_id(Some(id))?);
        call.args.take();
    }
    Ok(ids)
}
